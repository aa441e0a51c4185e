"""The package as others get it: its README is true, and its wheel is complete."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from oss_support import picture
from PIL import Image

import fcplug_thumbnail
from fcplug_thumbnail import Thumbnail
from local_oss import Account, LocalOSS, Stored

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text()


def block(language: str, number: int) -> str:
    """Return one of the README's blocks of a language."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return found[number]


def commands(number: int) -> list[str]:
    return re.findall(r"^\$ (.*)$", block("console", number), re.MULTILINE)


def run(folder: Path, command: str, environ: dict[str, str]) -> bytes:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, **environ},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_readme_make_a_thumbnail_in_oss(
    oss: LocalOSS, ada: Account, tmp_path: Path
) -> None:
    config = block("yaml", 0)
    assert config.startswith("# config/functions.yaml\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "functions.yaml").write_text(
        config.replace("{width: 200,", f"{{endpoint: '{oss.url}', width: 200,")
    )
    oss.objects["photos/cat.jpg"] = Stored(picture(400, 300))
    environ = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": ada.key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ada.secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": ada.token,
    }
    assert all(f"`{name}`" in README for name in environ)
    install, export, call = commands(0)
    assert install == "pip install './plugins/thumbnail[oss]'"
    report = json.loads(run(tmp_path, f"{export}\n{call}", environ))
    shown = json.loads(block("json", 0))
    size = len(oss.objects["photos/cat.jpg.thumb.jpg"].data)
    shown["written"][0]["size"] = size
    assert report == shown


def test_the_curl_of_the_readme_gets_a_smaller_image(start: Any, tmp_path: Path) -> None:
    serve, curl = commands(1)
    assert serve == "fcplug serve"
    (tmp_path / "cat.jpg").write_bytes(picture(400, 300))
    instance = start(block("yaml", 0))
    run(tmp_path, curl.replace("localhost:9000", f"127.0.0.1:{instance.port}"), {})
    with Image.open(tmp_path / "small.jpg") as image:
        assert image.size == (200, 150)


def test_the_tables_of_the_readme_are_complete() -> None:
    def rows(section: str) -> list[str]:
        text = README.partition(f"## {section}\n")[2].partition("\n## ")[0]
        return re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE)

    assert rows("Settings") == [each.name for each in dataclasses.fields(Thumbnail) if each.init]
    errors = set(fcplug_thumbnail.__all__) - {"Thumbnail", "ThumbnailError"}
    assert set(rows("Errors")) - {"errorType"} == errors
    policy = json.loads(block("json", 1))
    assert [each["Action"] for each in policy["Statement"]] == ["oss:GetObject", "oss:PutObject"]


def test_a_mounted_folder_never_loads_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    code = (
        "import sys\n"
        "sys.modules['alibabacloud_oss_v2'] = None  # any import of it fails\n"
        "from fcplug import Context\n"
        "from fcplug_thumbnail import SdkMissing, Thumbnail\n"
        'event = b\'\'\'{"events": [{"eventName": "ObjectCreated:PutObject", "oss":'
        ' {"bucket": {"name": "photos"}, "object": {"key": "a.jpg"}}}]}\'\'\'\n'
        "context = Context.from_headers({}, {})\n"
        f"mounted = Thumbnail(mount={str(tmp_path)!r})\n"
        "mounted.initialize()\n"
        "print(mounted.invoke(event, context)['written'][0]['thumbnail'])\n"
        "mounted.pre_stop()\n"
        "try: Thumbnail().invoke(event, context)\n"
        "except SdkMissing as error: print(error)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('requests', 'urllib3')])\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    thumbnail, missing, loaded = done.stdout.splitlines()
    assert thumbnail == "oss://photos/a.jpg.thumb.jpg"
    assert missing.endswith("pip install 'fcplug-thumbnail[oss]'")
    assert loaded == "[]"


@pytest.mark.slow
def test_the_wheel_works_with_what_it_asks_for_alone(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(HERE)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("fcplug_thumbnail-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "fcplug_thumbnail/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fcplug_thumbnail"}
    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    code = "import fcplug_thumbnail.remote; print(fcplug_thumbnail.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(target)},
    )  # fmt: skip
    assert done.stdout.startswith(str(target))
    metadata = next(name for name in names if name.endswith("/METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    required = set(re.findall(r"^Requires-Dist: ([\w-]+)", text, re.MULTILINE))
    assert required == {"fcplug", "pillow", "alibabacloud-oss-v2"}
    imported = {
        found.partition(".")[0]
        for file in (HERE / "fcplug_thumbnail").glob("*.py")
        for found in re.findall(r"^ *(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    }
    third = imported - set(sys.stdlib_module_names) - {"fcplug_thumbnail"}
    assert third == {"fcplug", "PIL", "alibabacloud_oss_v2"}
    assert re.search(r"^Requires-Dist: alibabacloud-oss-v2.*extra ==", text, re.MULTILINE)
