"""The package as others get it: its README is true, and its wheel is complete."""

import dataclasses
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from fcplug_otel import Otel

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text()


def test_the_commands_of_the_readme_record_the_call(start: Any, collector: Any, until: Any) -> None:
    (console,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    install, export, serve, curl = re.findall(r"^\$ (.*)$", console, re.MULTILINE)
    assert install == "pip install ./plugins/otel ./plugins/hello"
    variable, _, value = export.removeprefix("export ").partition("=")
    assert (value, serve) == ("http://localhost:4318", "fcplug serve")
    (entry,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert entry.startswith("# config/functions.yaml\nversion: 1\n")
    assert "middleware: [otel]\n" in entry
    code = "def handle(event, context):\n    return {'message': f'Hello, {event.decode()}!'}\n"
    hello = {"handler": "app:handle", "middleware": ["otel"]}
    environ = {variable: collector.url, "FC_FUNCTION_NAME": "", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    instance = start(code, otel={}, functions={"hello": hello}, environ=environ)
    command = curl.replace("localhost:9000", f"127.0.0.1:{instance.port}")
    answer = subprocess.run(["bash", "-c", f"{command} -s"], capture_output=True, check=True)
    assert b"Hello, Ada!" in answer.stdout
    until(lambda: "hello" in [span.name for span in collector.spans])
    assert collector.span("hello").trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"


def test_the_settings_of_the_readme_are_those_of_the_class() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", README.partition("## Settings")[2], re.MULTILINE)
    assert documented == [field.name for field in dataclasses.fields(Otel)]


@pytest.mark.slow
def test_the_wheel_works_with_what_it_asks_for_alone(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(HERE)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("fcplug_otel-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "fcplug_otel/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "cost"))]
    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    code = "import fcplug_otel, sys; print(fcplug_otel.__file__)"
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
        for file in (HERE / "fcplug_otel").glob("*.py")
        for found in re.findall(r"^(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    }
    third = imported - set(sys.stdlib_module_names) - {"fcplug_otel"}
    assert third == {"fcplug", "opentelemetry", "requests"}
    assert {name.partition("-")[0] for name in required} == third
