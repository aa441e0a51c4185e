"""The package as others get it: its README is true, and its wheel is complete."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from fcplug_validate import Validate

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with the files of the README."""
    (config,) = re.findall(r"```yaml\n# (config/functions.yaml)\n(.*?)```", README, re.DOTALL)
    (code,) = re.findall(r"```python\n# (shop.py)\n(.*?)```", README, re.DOTALL)
    for name, text in (config, code):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    folder = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_of_the_readme_do_what_it_says(project: Path) -> None:
    (console,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    commands = re.findall(r"^\$ (.*)$", console, re.MULTILINE)
    assert commands[0] == "pip install ./plugins/validate"
    refused = run(project, commands[1])
    (shown,) = re.findall(r"^\{.*?^\}$", console, re.MULTILINE | re.DOTALL)
    document = json.loads(refused.stdout)
    document.pop("stackTrace", None)
    assert (refused.returncode, document) == (1, json.loads(shown))
    taken = run(project, """fcplug invoke orders --event '{"id": "a-1"}'""")
    assert taken.returncode == 0, taken.stderr
    published = json.loads(run(project, commands[2]).stdout)
    OpenAPIV31SpecValidator(published).validate()
    schema = published["components"]["schemas"]["orders.event"]
    assert list(schema["$defs"]["Order"]["properties"]) == ["id", "count"]


def test_the_settings_of_the_readme_are_those_of_the_class() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", README.partition("## Settings")[2], re.MULTILINE)
    assert documented == [each.name for each in dataclasses.fields(Validate) if each.init]


@pytest.mark.slow
def test_the_wheel_works_with_what_it_asks_for_alone(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(HERE)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("fcplug_validate-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "fcplug_validate/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "cost"))]
    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    code = "import fcplug_validate; print(fcplug_validate.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(target)},
    )  # fmt: skip
    assert done.stdout.startswith(str(target))
    metadata = next(name for name in names if name.endswith("/METADATA"))
    required = re.findall(
        r"^Requires-Dist: ([\w-]+)", zipfile.ZipFile(wheel).read(metadata).decode(), re.MULTILINE
    )
    imported = {
        found.partition(".")[0]
        for file in (HERE / "fcplug_validate").glob("*.py")
        for found in re.findall(r"^(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    }
    third = imported - set(sys.stdlib_module_names) - {"fcplug_validate"}
    assert third == {"fcplug", "jsonschema_rs", "msgspec"}
    assert {name.replace("-", "_") for name in required} == third
