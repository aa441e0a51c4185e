"""The walks of the architecture page, held against what a live instance really calls."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fcplug
from support.deployed import free_port

PACKAGE = f"{Path(fcplug.__file__).parent}/"
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
RECORDER = ROOT / "tests" / "support" / "walks.py"
LIMITS = {"invoke": 125, "web": 175}  # Python calls in all files, of the loop and the answer
MOST_FILES = 10  # of fcplug above the server, for one event

CODE = """
def handler(event, context):
    return {"hello": event.decode()}

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"hi"]
"""
FUNCTIONS = """
version: 1
functions:
  hello: {handler: index.handler, settings: {}}
  shop: {wsgi: "index:app"}
"""

Call = tuple[str, str, str]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the calls of each walk, as ``[thread, file, function]``."""
    folder = tmp_path_factory.mktemp("walks")
    (folder / "index.py").write_text(CODE)
    (folder / "config").mkdir()
    (folder / "config" / "functions.yaml").write_text(FUNCTIONS)
    command = [sys.executable, str(RECORDER), str(folder), str(free_port())]
    # not measured: when sys.path has changed, coverage forgets what another thread just imports
    environ = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    walks: dict[str, Any] = json.loads(done.stdout)
    for name in LIMITS:
        # the main thread only watches that the thread of the loop is not late
        served = [[call for call in calls if call[0] != "MainThread"] for calls in walks[name]]
        walks[name] = min(served, key=len)
    return walks


def listed(name: str) -> list[list[str]]:
    """Return the lists of a walk on the page; a blank line begins that of another thread."""
    block = re.search(rf"<!-- walk: {name} -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert block, f"the page has no walk '{name}'"
    parts = block[1].split("\n\n")
    return [re.findall(r"^(\S+\.py:\S+)", part, re.MULTILINE) for part in parts]


def own(calls: list[Call]) -> list[str]:
    """Return the calls of fcplug as ``file:function``, the class or function around it left out."""
    return [
        f"{file.removeprefix(PACKAGE)}:{name.rpartition('.')[2]}"
        for _, file, name in calls
        if file.startswith(PACKAGE)
    ]


@pytest.mark.parametrize("name", ["start", "invoke", "web", "reload"])
def test_the_page_lists_the_calls_of_each_walk_in_their_order(
    recorded: dict[str, Any], name: str
) -> None:
    for steps in listed(name):
        assert len(steps) > 2
        calls = iter(own(recorded[name]))
        for step in steps:
            file, _, function = step.partition(":")
            wanted = f"{file}:{function.rpartition('.')[2]}"
            assert wanted in calls, f"{step} is not called, or not in this place"


@pytest.mark.parametrize("name", LIMITS)
def test_a_walk_has_at_most_so_many_python_calls(recorded: dict[str, Any], name: str) -> None:
    assert len(recorded[name]) <= LIMITS[name]
    assert f"at most {LIMITS[name]} Python calls" in PAGE


def test_an_event_passes_ten_files_above_the_server(recorded: dict[str, Any]) -> None:
    calls: list[Call] = recorded["invoke"]
    (answering,) = {thread for thread, file, _ in calls if file == f"{PACKAGE}app.py"}
    names = own([call for call in calls if call[0] == answering])  # the loop may turn meanwhile
    above = names[names.index("app.py:answer") : names.index("server/waitress/answer.py:write")]
    files = {name.partition(":")[0] for name in above}
    server = {file for file in files if file.startswith(("server/", "process/"))}
    assert len(files - server) <= MOST_FILES, files
    assert f"{MOST_FILES} files" in PAGE


@pytest.mark.parametrize("name", LIMITS)
def test_it_is_decided_once_whether_a_request_is_a_health_check(
    recorded: dict[str, Any], name: str
) -> None:
    assert own(recorded[name]).count("protocol.py:is_health_check") == 1
