"""The package as others get it: the README is true, the dashboard valid, the wheel complete."""

import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from fcplug_metrics import Metrics

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text()
DASHBOARD = json.loads((HERE / "fcplug_metrics" / "dashboard.json").read_text())
COMMANDS = re.findall(
    r"^\$ (.*)$", "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL)), re.MULTILINE
)
CODE = """
import time
def handle(event, context):
    if event == b"fail":
        raise ValueError
    return {"message": f"Hello, {event.decode()}!"}
"""


def shell(command: str, **options: Any) -> bytes:
    output: bytes = subprocess.check_output(["bash", "-c", command], **options)
    return output


def test_the_commands_of_the_readme_call_and_show_it(start: Any, tmp_path: Path) -> None:
    install, serve, invoke, scrape, dashboard = COMMANDS
    assert install == "pip install ./plugins/metrics ./plugins/hello"
    assert serve == "fcplug serve"
    assert "# config/functions.yaml\nversion: 1\n" in README
    instance = start(CODE, {"hello": {"handler": "app:handle"}})
    at = f"127.0.0.1:{instance.port}"
    assert b"Hello, Ada!" in shell(f"{invoke.replace('localhost:9000', at)} -s")
    page = shell(f"{scrape.replace('localhost:9000', at)} -s")
    assert b'fcplug_invocations_total{function="hello",kind="event"} 1.0' in page
    shell(dashboard.replace("python", sys.executable, 1), cwd=tmp_path)
    assert json.loads((tmp_path / "dashboard.json").read_text()) == DASHBOARD


def test_the_settings_of_the_readme_are_those_of_the_class() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", README.partition("## Settings")[2], re.MULTILINE)
    assert documented == [field.name for field in dataclasses.fields(Metrics)]


def test_the_metrics_of_the_readme_are_those_of_the_page(start: Any) -> None:
    functions = {
        "hello": {"handler": "app:handle"},
        "broken": {"handler": "app:handle", "initializer": "app:missing"},
    }
    instance = start(CODE, functions)
    for function, event in (("hello", b""), ("hello", b"fail"), ("broken", b"")):
        instance.invoke(function, event)
    documented = dict(
        re.findall(r"^\| `(fcplug_\w+)` \| (\w+) \|", README.partition("## Dash")[0], re.MULTILINE)
    )
    found = dict(
        re.findall(r"^# TYPE (fcplug_\w+) (\w+)$", instance.call("/metrics", None).body.decode(),
                   re.MULTILINE)
    )  # fmt: skip
    found = {name: kind for name, kind in found.items() if not name.endswith("_created")}
    assert documented == found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_grafana_s_own_types_read_the_dashboard() -> None:
    dashboard = Dashboard.from_json(DASHBOARD)
    assert dashboard.title == "fcplug"
    assert len(dashboard.panels or ()) == len(DASHBOARD["panels"]) == 11
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize("expression", list(expressions()))
def test_a_query_of_the_dashboard_is_valid_and_asks_for_what_there_is(expression: str) -> None:
    query = expression.replace("$__rate_interval", "1m").replace("$function", ".*")
    promql_parser.parse(query)
    asked = set(re.findall(r"fcplug_\w+", query))
    documented = set(re.findall(r"^\| `(fcplug_\w+)` \|", README, re.MULTILINE))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= documented


@pytest.mark.slow
def test_the_wheel_works_with_what_it_asks_for_alone(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(HERE)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("fcplug_metrics-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"fcplug_metrics/py.typed", "fcplug_metrics/dashboard.json"} <= {*names}
    assert not [name for name in names if name.startswith(("tests", "draw", "cost"))]
    target = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "fcplug_metrics"], cwd=tmp_path, capture_output=True, check=True,
        env={"PYTHONPATH": str(target)},
    )  # fmt: skip
    assert json.loads(done.stdout) == DASHBOARD
    metadata = next(name for name in names if name.endswith("/METADATA"))
    required = re.findall(
        r"^Requires-Dist: ([\w-]+)", zipfile.ZipFile(wheel).read(metadata).decode(), re.MULTILINE
    )
    imported = {
        found.partition(".")[0]
        for file in (HERE / "fcplug_metrics").glob("*.py")
        for found in re.findall(r"^ *(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    }
    third = imported - set(sys.stdlib_module_names) - {"fcplug_metrics", "_typeshed"}
    assert {name.replace("-", "_") for name in required} == third
