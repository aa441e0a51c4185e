"""A disk that is full: no call is lost, and the log says once what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

CODE = """
import os

def handle(event, context):
    if event == b"fill":
        with open(os.path.join(os.environ["DISK"], "filler"), "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
    return str(os.getpid())
"""
WARNING = "the page of metrics is not complete: No space left on device in "


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, list[str]]:
    """Return a folder, and what runs a command with a disk of 512 KiB there."""
    folder = tmp_path / "disk"
    folder.mkdir()
    script = 'mount -t tmpfs -o size=512k none "$0" && exec "$@"'
    under = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]
    if subprocess.run([*under, "true"], check=False, capture_output=True).returncode:
        pytest.skip("the kernel allows no namespaces here")
    return folder, under


def functions(*names: str) -> dict[str, Any]:
    return {name: {"handler": "app:handle"} for name in names}


def pids(instance: Any, function: str, number: int) -> dict[bytes, int]:
    """Call until so many processes have answered, and return how often each has."""
    found: dict[bytes, int] = {}
    while len(found) < number:
        answer = instance.invoke(function)
        assert answer.status == 200, answer
        found[answer.body] = found.get(answer.body, 0) + 1
    return found


def test_a_disk_that_is_full_loses_counts_of_new_processes_and_no_call(
    start: Any, disk: Any
) -> None:
    folder, under = disk
    instance = start(
        CODE, functions("a", "b"), metrics={"folder": str(folder)}, processes=2, under=under,
        environ={"DISK": str(folder)},
    )  # fmt: skip
    counted = sum(pids(instance, "a", 2).values())
    assert instance.invoke("a", b"fill").status == 200
    counted += 1
    for function in ("a", "b"):  # what has its space is counted on
        counted += sum(pids(instance, function, 2).values())
    assert instance.total("fcplug_invocations_total") == counted
    assert WARNING not in instance.log
    victim = min(pids(instance, "a", 2))
    before = instance.total("fcplug_invocations_total")
    subprocess.run(["kill", "-9", victim], check=True)
    found: set[bytes] = set()
    while len(found - {victim}) < 2:
        found |= {*pids(instance, "b", 1)}
    for _ in range(50):
        assert instance.invoke("a").status == 200
    assert instance.log.count(WARNING) == 1
    assert instance.total("fcplug_invocations_total") > before
    assert instance.stop() == 0
    assert "Traceback" not in instance.log


def test_a_disk_that_is_full_from_the_start_costs_the_counts_and_no_call(
    start: Any, disk: Any
) -> None:
    folder, under = disk
    fill = [*under, "sh", "-c", 'head -c 500000 /dev/zero > "$DISK/filler"; exec "$@"', "sh"]
    instance = start(
        CODE, functions("a"), metrics={"folder": str(folder)}, processes=2, under=fill,
        environ={"DISK": str(folder)},
    )  # fmt: skip
    processes = pids(instance, "a", 2)
    for _ in range(20):
        assert instance.invoke("a").status == 200
    assert instance.log.count(WARNING) <= len(processes)
    assert WARNING in instance.log
    assert instance.metrics() == {}
    assert instance.stop() == 0
    assert "Traceback" not in instance.log
