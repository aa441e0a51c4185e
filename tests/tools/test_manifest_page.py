"""The pages about manifests: what they show is what is made, and their commands can be run."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from fcplug.tools.main import run
from support import fc3_schema
from support.deployed import ROOT, deploy

PAGES = ("how-to/s-yaml", "how-to/kubernetes", "reference/commands")
PAGE = (ROOT / "docs" / "how-to" / "s-yaml.md").read_text("utf-8")
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


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_make_the_files_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    folder = deploy(tmp_path / "shop", "version: 1\nfunctions:\n  hello: {handler: hello}\n")
    monkeypatch.chdir(folder)
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    commands = re.findall(r"^\$ fcplug (manifest .*)$", text, re.MULTILINE)
    assert commands
    for line in commands:
        assert run(shlex.split(line)) == 0, line
    named = re.findall(r"^\$ kubectl apply -f (\S+)$", text, re.MULTILINE)
    assert all((folder / file).exists() for file in named)
