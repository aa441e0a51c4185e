"""``docs/s-yaml.md``: the file that it shows is the one that is made, and its overlay is merged."""

import re
from pathlib import Path

import pytest
import yaml

from fcplug.tools.main import run
from support import fc3_schema
from support.deployed import ROOT, deploy

PAGE = (ROOT / "docs" / "s-yaml.md").read_text("utf-8")
CONFIG, SHOWN, OVERLAY = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_shows_what_is_made_and_how_it_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(deploy(tmp_path, CONFIG))
    monkeypatch.setenv("MOUNT", "/mnt")
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    text = (tmp_path / "s.yaml").read_text()
    assert SHOWN in text
    fc3_schema.check(yaml.safe_load(text))
    (tmp_path / "s.overlay.yaml").write_text(OVERLAY)
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    found = yaml.safe_load((tmp_path / "s.yaml").read_text())
    assert found["vars"]["region"] == "cn-shanghai"
    assert list(found["resources"]) == ["thumbnails"]
    props = found["resources"]["thumbnails"]["props"]
    assert (props["memorySize"], props["diskSize"], props["logConfig"]) == (1024, 10240, "auto")
    assert props["environmentVariables"]["MOUNT"] == "/mnt/photos"
