"""One instance of two processes, as FC sees it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start

CONFIG = """\
version: 1
runtime: {{processes: 2, preload: {preload}, trust_callers: true}}
functions:
  hooked: {{handler: hooked.Hooked}}
"""
HOOKED = """\
import os
from fcplug import hookimpl

print("imported")

class Hooked:
    @hookimpl
    def initialize(self):
        print("initialized in", os.getpid())
    @hookimpl
    def invoke(self):
        return os.getpid()
    @hookimpl
    def pre_freeze(self):
        print("frozen in", os.getpid())
    @hookimpl
    def pre_stop(self):
        print("stopped in", os.getpid())
"""


@pytest.fixture(params=["true", "false"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Instance]:
    config = CONFIG.format(preload=request.param)
    with start(deploy(tmp_path, config, {"hooked.py": HOOKED})) as running:
        if request.param == "false":
            running.wait_for(r"^imported\n(.*\n)*imported$")
        yield running


def pids(instance: Instance, what: str) -> list[int]:
    return [int(line.split()[-1]) for line in instance.log.splitlines() if line.startswith(what)]


def test_hooks_run_once_in_every_process(instance: Instance) -> None:
    header = {"x-fc-function-name": "hooked"}
    assert instance.call("POST", "/initialize", b"", header).status == 200
    both = {*pids(instance, "initialized in")}
    assert len(both) == 2
    assert instance.call("GET", "/pre-freeze").status == 200
    assert {*pids(instance, "frozen in")} == both
    assert instance.call("GET", "/pre-stop").status == 200
    assert {*pids(instance, "stopped in")} == both
    assert instance.stop() == 0
    for what in ("initialized in", "frozen in", "stopped in"):
        assert len(pids(instance, what)) == 2


def test_a_process_that_starts_later_initializes_before_its_first_invocation(
    instance: Instance,
) -> None:
    header = {"x-fc-function-name": "hooked"}
    assert instance.call("POST", "/initialize", b"", header).status == 200
    for pid in pids(instance, "initialized in"):
        os.kill(pid, signal.SIGKILL)
    answered = int(instance.invoke("hooked").body)
    assert answered in pids(instance, "initialized in")[2:]
