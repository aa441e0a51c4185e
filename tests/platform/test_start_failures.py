"""Start commands that do not become an instance, reported as FC reports them (item 94)."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fcplug.platform.emulator import Emulator
from fcplug.platform.model import FunctionConfig, Outcome
from support.platforms import event, stranger


def start(folder: Path, text: str, mode: int = 0o755) -> Outcome:
    (folder / "bootstrap").write_bytes(text.encode())
    (folder / "bootstrap").chmod(mode)
    with Emulator([FunctionConfig(name="f", folder=folder)]) as platform:
        return platform.invoke(event())


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("#!/bin/sh\necho why >&2; exit 1", 0o755, "(code 1, message:operation not permitted)"),
        ("#!/bin/sh\necho why; exit 0", 0o755, "(code 0, message:success)"),
        ("#!/bin/sh\necho why; kill -9 $$", 0o755, "(code 137, message:signal: killed)"),
        ("#!/usr/bin/env bash\r\necho why\r\n", 0o755, "(code 127,"),
        ("#!/bin/sh\r\n", 0o755, "(code 2, message:no such file or directory)"),
        ("#!/bin/sh\n", 0o644, "(code 13, message:permission denied)"),
        ("echo no shebang\n", 0o755, "(code 8, message:exec format error)"),
    ],
)
def test_a_command_that_exits_is_reported_at_once(
    tmp_path: Path, text: str, mode: int, expected: str
) -> None:
    outcome = start(tmp_path, text, mode)
    assert (outcome.status, outcome.code) == (412, "CAExited")
    prefix = f"Function instance exited unexpectedly{expected}"
    assert outcome.message.startswith(prefix)
    assert "with start command './bootstrap'.\nLogs:" in outcome.message
    if "echo why" in text and "\r" not in text:
        assert outcome.message.endswith("Logs:why\n")
        assert outcome.log == b"why\n"


@pytest.mark.parametrize("command", [("./bootstrap",), ("no-such-command",)])
def test_a_missing_file_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    with Emulator([FunctionConfig(name="f", folder=tmp_path, command=command)]) as platform:
        outcome = platform.invoke(event())
    assert (outcome.status, outcome.code) == (412, "CAFileNotFound")
    assert outcome.message.endswith(f"{command[0].removeprefix('./')} is not exist")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with Emulator([FunctionConfig(name="f", folder=tmp_path / "none")]) as platform:
        assert platform.invoke(event()).message.endswith("none is not exist")


def test_a_process_that_never_listens_is_reported_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_text("#!/bin/sh\necho waiting; exec sleep 600\n")
    (tmp_path / "bootstrap").chmod(0o755)
    function = FunctionConfig(name="f", folder=tmp_path, startup_timeout=3)
    with Emulator([function]) as platform:
        outcome = platform.invoke(event())
        [instance] = platform.instances()
    assert (outcome.status, outcome.code) == (412, "FunctionNotStarted")
    assert outcome.message.startswith("Function instance health check failed on port ")
    assert outcome.message.endswith(" in 3 seconds.\nLogs:waiting\n")
    assert instance.error == outcome.message


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is not this machine")
def test_it_says_that_fc_cannot_reach_a_loopback_address(tmp_path: Path) -> None:  # item 1
    with Emulator([stranger(tmp_path, environment={"HOST": "127.0.0.1"})]) as platform:
        assert platform.invoke(event()).succeeded
        [instance] = platform.instances()
    texts = [text for _, text in instance.steps]
    assert "listens on 127.0.0.1 only: Function Compute needs 0.0.0.0" in texts


def test_a_process_that_ends_once_it_listens_is_not_started_again_for_the_call(
    tmp_path: Path,
) -> None:
    code = """\
import socket
server = socket.create_server(("", int(os.environ["FC_CUSTOM_LISTEN_PORT"])))
server.accept()
os._exit(3)
"""
    with Emulator([stranger(tmp_path, environment={"BEFORE": code})]) as platform:
        assert not platform.invoke(event()).succeeded
        [instance] = platform.instances()
    assert "ended with exit code 3" in [text for _, text in instance.steps]


def test_all_calls_that_wait_for_a_start_get_its_failure(tmp_path: Path) -> None:
    code = "time.sleep(0.5); sys.exit('why')"
    function = stranger(
        tmp_path, instance_concurrency=4, max_instances=1, environment={"BEFORE": code}
    )
    with Emulator([function]) as platform, ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(platform.invoke, [event() for _ in range(4)]))
    assert {one.code for one in outcomes} == {"CAExited"}
