"""What clients see of processes that crash, hang, grow and are frozen."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.supervised import (
    Supervised,
    alive,
    ask,
    clients,
    storm,
    supervised,
)
from support.waiting import PATIENCE, wait_until

IN_FLIGHT = 8


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """Two processes for tests that leave two of them."""
    with supervised(tmp_path_factory.mktemp("pair"), load="yes") as server:
        yield server


def test_all_processes_serve_and_the_supervisor_does_not(pair: Supervised) -> None:
    seen: set[int] = set()
    wait_until(lambda: seen.add(pair.get("/")) or len(seen) == 2)  # type: ignore[func-returns-value]
    assert seen == pair.pids
    assert pair.process.pid not in seen


def test_plugins_are_loaded_once_for_all_and_not_in_the_supervisor(pair: Supervised) -> None:
    loaders = {tuple(pair.get_from(pid, "/loaded-by")) for pid in pair.pids}
    assert len(loaders) == 1
    assert not {*loaders.pop()} & {*pair.pids, pair.process.pid}


def test_processes_do_not_share_their_random_numbers(pair: Supervised) -> None:
    numbers = [pair.get_from(pid, "/random") for pid in pair.pids]
    assert len({*numbers}) == 2


@pytest.mark.parametrize("way", ["SIGKILL", "SIGSEGV", "os._exit"])
def test_a_process_that_dies_takes_only_its_own_requests_along(pair: Supervised, way: str) -> None:
    before = pair.pids
    with clients(pair, IN_FLIGHT) as count:
        wait_until(lambda: before <= count.pids)
        victim = min(before)
        if way == "os._exit":
            with contextlib.suppress(OSError, EOFError):
                pair.get_from(victim, "/exit?0")
        else:
            os.kill(victim, signal.Signals[way])
        wait_until(lambda: len(pair.pids - {victim}) == 2)
        wait_until(lambda: pair.pids - before <= count.pids)  # the new one serves
    print(f"{way}: {count}")
    assert count.refused == 0
    assert count.failed <= IN_FLIGHT
    reported = {"SIGKILL": "SIGKILL", "SIGSEGV": "SIGSEGV", "os._exit": "exit code 0"}[way]
    assert re.search(rf"ERROR process {victim} ended after [\d.]+ s: {reported}$", pair.log, re.M)


def test_siblings_answer_each_other(pair: Supervised) -> None:
    here, there = pair.pids
    assert pair.get_from(here, "/ask?ping") == [f"ping from {there}"]
    assert pair.get_from(there, "/ask?ping") == [f"ping from {here}"]
    assert pair.get_from(here, "/ask?empty") == [""]
    assert pair.get_from(here, "/ask?fail") == [None]
    assert "a sibling's question failed" in pair.log


def test_a_sibling_that_dies_or_takes_too_long_is_not_waited_for(pair: Supervised) -> None:
    here, there = sorted(pair.pids)
    begun = time.monotonic()
    assert pair.get_from(here, "/ask?die") == [None]
    assert time.monotonic() - begun < PATIENCE / 2  # the time that was given
    wait_until(lambda: len(pair.pids - {there}) == 2)
    assert pair.get_from(here, "/ask?slow") == [None]
    wait_until(lambda: pair.get_from(here, "/ask?ping") != [None])


def test_a_single_process_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    with supervised(tmp_path, processes=1, load="yes") as server:
        time.sleep(1)
        victim = server.get("/")
        os.kill(victim, signal.SIGKILL)
        begun = time.monotonic()
        assert server.get("/") != victim
        print(f"back after {time.monotonic() - begun:.2f} s")


def test_20_segmentation_faults_refuse_no_connection(tmp_path: Path) -> None:
    with supervised(tmp_path, processes=8, load="yes") as server:
        time.sleep(1)
        with clients(server, IN_FLIGHT) as count:
            storm(server, 20, 0.12)
        assert server.process.poll() is None
        wait_until(lambda: len(re.findall("SIGSEGV$", server.log, re.M)) == 20)
    print(count)
    assert (count.refused, count.failed <= 20 * IN_FLIGHT) == (0, True)


@pytest.mark.parametrize(
    ("start", "reported", "load"), [("exit", "exit code 3", ""), ("segv", "SIGSEGV", "yes")]
)
def test_processes_that_never_start_end_it(
    tmp_path: Path, start: str, reported: str, load: str
) -> None:
    with supervised(tmp_path, processes=4, start=start, load=load) as server:
        assert server.process.wait(PATIENCE) == 1
        found = re.findall(r"CRITICAL giving up: (.*)", server.log)
    assert len(found) == 1
    assert re.fullmatch(
        rf"10 processes ended right after their start, in [\d.]+ s: {reported} 10 times", found[0]
    )


@pytest.mark.parametrize(("number", "load"), [(signal.SIGTERM, "yes"), (signal.SIGINT, "")])
def test_what_was_accepted_before_the_stop_is_answered(
    tmp_path: Path, number: int, load: str
) -> None:
    with supervised(tmp_path, load=load) as server:
        wait_until(lambda: len(server.pids) == 2)
        family = server.family()
        with clients(server, IN_FLIGHT, "/sleep?0.05") as count:
            wait_until(lambda: count.ok > 2 * IN_FLIGHT and len(count.pids) == 2)
            assert server.stop(number) == 0
            assert not any(map(alive, family))
    assert count.failed == 0
    assert server.log.count("stopped") == 2


@pytest.mark.parametrize("load", ["", "yes"])
def test_a_stop_signal_to_all_processes_and_their_supervisor_loses_no_request(
    tmp_path: Path, load: str
) -> None:
    with supervised(tmp_path, load=load) as server, contextlib.ExitStack() as stack:
        wait_until(lambda: len(server.pids) == 2)
        family = server.family()
        gates = {pid: tmp_path / f"gate-{pid}" for pid in server.pids}
        socks = [stack.enter_context(server.connect_to(pid)) for pid in gates]
        for sock, gate in zip(socks, gates.values(), strict=True):
            sock.sendall(f"GET /wait?{gate} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(Path(f"{gate}.in").exists)
        for pid in reversed(family):  # like systemd, with its KillMode=control-group
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: server.log.count("draining") == len(gates))
        time.sleep(0.5)  # meanwhile the supervisor passes its signal on
        for sock, gate in zip(socks, gates.values(), strict=True):
            gate.touch()
            assert sock.recv(99).startswith(b"HTTP/1.1 200")
        assert server.process.wait(PATIENCE) == 0


def test_a_supervisor_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    for load in ("", "yes"):
        with supervised(tmp_path, load=load) as server:
            wait_until(lambda: len(server.pids) == 2)
            family = server.family()
            server.stop(signal.SIGKILL)
            wait_until(lambda members=family: not any(map(alive, members)))  # type: ignore[misc]
            assert len(family) == (4 if load else 3)


def test_a_process_that_grew_is_replaced_without_a_failed_request(tmp_path: Path) -> None:
    with supervised(tmp_path, memory_watermark=100_000_000) as server:
        wait_until(lambda: len(server.pids) == 2)
        before = server.pids
        grown, gate = min(before), tmp_path / "gate"
        with clients(server, IN_FLIGHT) as count, server.connect_to(grown) as sock:
            for path in ("/grow?100000000", f"/wait?{gate}"):  # it cannot leave before the gate
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(lambda: len(server.pids) == 3)
            assert grown in server.pids
            wait_until(lambda: server.pids <= count.pids)
            gate.touch()
            wait_until(lambda: len(server.pids) == 2)
        assert (count.failed, count.refused) == (0, 0)
        assert server.pids & before == before - {grown}
        assert count.pids == before | server.pids
        assert f"stopped {grown}" in server.log
        assert len(re.findall(r"WARNING a process uses \d+ bytes", server.log)) == 1


@pytest.mark.parametrize("seconds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_freeze_of_all_changes_nothing(pair: Supervised, seconds: float) -> None:
    before, log = pair.pids, pair.log
    with pair.connect() as sock:
        assert ask(sock, "/") in before
        for number, pause in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.1)):
            for pid in pair.family():
                os.kill(pid, number)
            time.sleep(pause)
        assert ask(sock, "/") in before
    assert (pair.pids, pair.log) == (before, log)


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, stop_timeout=4, limits={"drain_timeout": 0.5}) as server:
        wait_until(lambda: len(server.pids) == 2)
        for pid in server.pids:  # both serve
            server.get_from(pid, "/")
        with server.connect() as sock:
            sock.sendall(b"GET /hang?600 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: "hanging" in server.log)
            begun = time.monotonic()
            assert server.stop() == 1
            assert time.monotonic() - begun >= 4
    assert len(re.findall("did not stop within 4 s: it is killed", server.log)) == 1
    assert len(re.findall(r"^stopped \d+$", server.log, re.M)) == 1  # the other one left in order


@pytest.mark.parametrize("load", ["", "yes"])
def test_a_second_signal_ends_all_at_once(tmp_path: Path, load: str) -> None:
    with supervised(tmp_path, load=load) as server:
        wait_until(lambda: len(server.pids) == 2)
        family = server.family()
        gate = tmp_path / "gate"
        with server.connect() as sock:
            sock.sendall(f"GET /wait?{gate} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(Path(f"{gate}.in").exists)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining" in server.log)
            assert server.stop(signal.SIGINT) == 128 + signal.SIGINT
        wait_until(lambda: not any(map(alive, family)))


@pytest.mark.parametrize("load", ["", "yes"])
def test_a_stop_right_after_a_crash_answers_what_has_connected(tmp_path: Path, load: str) -> None:
    with supervised(tmp_path, processes=1, load=load) as server:
        (serving,) = server.pids
        parent = server.family()[-2]
        os.kill(parent, signal.SIGSTOP)  # it cannot start another one meanwhile
        os.kill(serving, signal.SIGKILL)
        wait_until(lambda: not alive(serving))
        with server.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)  # the stop signal arrives before the supervisor sees the crash
            os.kill(parent, signal.SIGCONT)
            assert sock.recv(99).startswith(b"HTTP/1.1 200")
        assert server.process.wait(PATIENCE) == 0


def test_a_hang_up_ends_nobody(pair: Supervised) -> None:
    before = pair.pids
    pair.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert pair.pids == before


@pytest.mark.parametrize(
    ("load", "reported"),
    [
        ("thread", "hold what a fork must not copy: thread 'reporter'$"),
        ("socket", r"hold what a fork must not copy: descriptor \d+ \(socket:.*\)$"),
        ("segv", r"process \d+ ended after [\d.]+ s: SIGSEGV$"),
        ("raise", r"process \d+ ended after [\d.]+ s: exit code 1$"),
    ],
)
def test_where_loading_before_the_fork_is_not_safe_it_is_done_without(
    tmp_path: Path, load: str, reported: str
) -> None:
    with supervised(tmp_path, load=load) as server:
        assert re.search(reported, server.log, re.M)
        assert "`preload: false` saves the attempt" in server.log
        wait_until(lambda: len(server.pids) == 2)
        assert server.get_from(max(server.pids), "/loaded-by") == []
        assert server.stop() == 0
