"""``fcplug logs`` against a running platform: what it shows, and how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support import commands
from support.deployed import PATIENCE, deploy
from support.running import Platform, dev, run, temporary
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f: {handler: index.f}
  other: {handler: index.other}
"""
CODE = """\
import os
def f(event, context):
    print("f got", event.decode())
    if event == b"long":
        os.write(1, b"x" * 50_000_000 + b"\\n")

def other(event, context):
    print("\\x1b[31mother")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return deploy(tmp_path / "project", CONFIG, {"index.py": CODE})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Platform]]:
    """Run one platform for the tests that only read."""
    folder = deploy(tmp_path_factory.mktemp("shared") / "project", CONFIG, {"index.py": CODE})
    with dev(folder, "--no-reload") as platform:
        yield folder, platform


@contextmanager
def following(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``fcplug logs --follow`` into the files ``out`` and ``err`` of a folder."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", "logs", "--follow", *arguments],
            cwd=folder,
            env=commands.environment(TMPDIR=str(temporary(folder))),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def shown(folder: Path) -> str:
    return (folder / "out").read_text()


def test_past_lines_have_time_function_and_the_end_of_the_request_id(
    shared: tuple[Path, Platform],
) -> None:
    project, platform = shared
    platform.invoke("f", b"Ada")
    platform.invoke("other")
    code, out, errors = run(project, "logs")
    assert (code, errors) == (0, "")
    line = re.search(r"^\d\d:\d\d:\d\d\.\d{3} f {14}(\w{8}) f got Ada$", out, re.MULTILINE)
    assert line, out
    assert re.search(r"^.{12} other {10}\w{8} \\x1b\[31mother$", out, re.MULTILINE)
    only = run(project, "logs", "f", "--request-id", line[1])[1]
    assert "f got Ada" in only
    assert "other" not in only
    assert run(project, "logs", "--request-id", "nobody")[1] == ""


def test_json_has_one_object_a_line_and_since_leaves_out_what_is_older(
    shared: tuple[Path, Platform],
) -> None:
    project, platform = shared
    platform.invoke("f", b"Ada")
    lines = [json.loads(line) for line in run(project, "logs", "--json")[1].splitlines()]
    ours = next(line for line in lines if line["text"] == "f got Ada")
    assert ours["function"] == "f"
    assert len(ours["requestIds"]) == 1
    at = datetime.fromisoformat(ours["at"].replace("Z", "+00:00"))
    later = (at.astimezone(timezone.utc) + timedelta(hours=1)).isoformat()
    assert run(project, "logs", "--since", later)[1] == ""
    assert "f got Ada" in run(project, "logs", "--since", "1h")[1]


def test_follow_goes_on_until_ctrl_c(shared: tuple[Path, Platform]) -> None:
    project, platform = shared
    platform.invoke("f", b"before")
    with following(project, "f") as process:
        wait_until(lambda: "f got before" in shown(project))
        platform.invoke("other")
        platform.invoke("f", b"after")
        wait_until(lambda: "f got after" in shown(project))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert "other" not in shown(project)
    assert shown(project).count("f got after") == 1
    assert (project / "err").read_bytes() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_follow_says_that_the_platform_has_ended(project: Path, number: signal.Signals) -> None:
    with dev(project, "--no-reload") as platform, following(project) as process:
        platform.invoke("f", b"Ada")
        wait_until(lambda: "f got Ada" in shown(project))
        platform.stop(number)
        assert process.wait(PATIENCE) == 0
    assert (project / "err").read_text() == "the platform has ended\n"


def test_follow_ends_when_its_reader_has_gone(shared: tuple[Path, Platform]) -> None:
    project, platform = shared
    platform.invoke("f", b"Ada")
    arguments = [sys.executable, "-m", "fcplug", "logs", "--follow"]
    process = subprocess.Popen(
        arguments,
        cwd=project,
        env=commands.environment(TMPDIR=str(temporary(project))),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()  # and nothing more is written
    assert process.wait(PATIENCE) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_line_of_50_mb_is_cut_and_stays_one_line(shared: tuple[Path, Platform]) -> None:
    project, platform = shared
    platform.invoke("f", b"long")
    _, out, _ = run(project, "logs", "f")
    (long,) = [line for line in out.splitlines() if "xxxx" in line]
    assert len(long) < 40_000
    assert long.endswith("(cut: the line has 50000000 bytes)")


def test_a_reader_that_stops_reading_does_not_hold_the_platform_up(
    shared: tuple[Path, Platform],
) -> None:
    project, platform = shared
    with socket.create_connection(("127.0.0.1", platform.port)) as reader:
        head = b"GET /-/log?past=true&follow=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        reader.sendall(head)
        for number in range(50):
            platform.invoke("f", b"y" * 30_000 + str(number).encode())
    assert "f got" in run(project, "logs", "f")[1]


def test_without_a_platform_the_error_says_how_to_start_one(project: Path) -> None:
    code, out, errors = run(project, "logs")
    assert (code, out) == (1, "")
    assert errors == (
        "no platform runs over this folder\n  fix: start one here in another terminal: fcplug dev\n"
    )


def test_an_unknown_function_and_an_odd_time_are_wrong_usage(shared: tuple[Path, Platform]) -> None:
    project, _ = shared
    code, _, errors = run(project, "logs", "nobody")
    assert (code, errors) == (2, "function 'nobody' does not exist\n")
    code, _, errors = run(project, "logs", "--since", "soon")
    assert code == 2
    assert "--since 'soon' is no time" in errors


def test_colours_are_for_terminals_only(shared: tuple[Path, Platform]) -> None:
    project, platform = shared
    platform.invoke("f", b"Ada")
    assert "\x1b" not in run(project, "logs")[1]
    text = commands.run_in_terminal(["logs"], project, TMPDIR=str(temporary(project)))
    assert re.search(r"\x1b\[1mf", text)
    assert "f got Ada" in text
