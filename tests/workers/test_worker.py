"""Workers: a handler that breaks its process fails at most the call it was serving."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fcplug.errors import FunctionTimeoutError, RemoteError, WorkerDied, WorkerUnavailable
from fcplug.workers import Workers
from fcplug.workers.wire import MAX_PART
from support.isolated import (
    CODE,
    PATIENCE,
    Background,
    act,
    all_at_once,
    call,
    descriptors,
    isolated,
    runs,
)
from support.waiting import wait_until

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _code_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(CODE)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CODE)
        with isolated() as workers:
            yield workers


@pytest.mark.parametrize(
    ("event", "how"),
    [
        ("exit_hard 7", "ended with exit code 7"),
        ("exit_hard 0", "ended with exit code 0"),
        ("segfault", "was killed by SIGSEGV"),
        ("abort", "was killed by SIGABRT"),
        ("kill_itself", "was killed by SIGKILL, as the kernel does when memory runs out"),
    ],
)
def test_a_death_is_reported_at_once_and_the_next_call_is_answered(
    workers: Workers, event: str, how: str
) -> None:
    pid = int(act(workers, "pid"))
    with pytest.raises(WorkerDied) as caught:  # and not its deadline
        act(workers, event)
    assert str(caught.value) == f"worker {pid} of function 'isolated' {how}"
    assert int(act(workers, "pid")) != pid


@pytest.mark.parametrize("event", ["sleep 60", "hold_the_gil", "catastrophic_regex"])
def test_a_deadline_kills_the_worker_and_fails_the_call_at_once(
    workers: Workers, event: str
) -> None:
    pid = int(act(workers, "pid"))
    started = time.monotonic()
    with pytest.raises(FunctionTimeoutError, match=rf"timed out after .* worker {pid} was killed"):
        act(workers, event, seconds=1)
    assert 1 <= time.monotonic() - started < PATIENCE / 2
    wait_until(lambda: not runs(pid))
    assert int(act(workers, "pid")) != pid


def test_a_kill_of_an_idle_worker_costs_nothing(workers: Workers) -> None:
    for _ in range(5):
        pid = int(act(workers, "pid"))
        os.kill(pid, signal.SIGKILL)
        assert int(act(workers, "pid")) != pid


def test_kills_of_all_idle_workers_cost_nothing() -> None:
    with isolated(workers=3) as workers:
        for _ in range(5):
            while len(workers._pool.loaded) < 3:
                for call in [Background(lambda: act(workers, "sleep 0.2")) for _ in range(3)]:
                    call.outcome()
            pids = {worker.pid for worker in workers._pool.loaded}
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            assert int(act(workers, "pid")) not in pids


@pytest.mark.parametrize("size", [0, 8 * MIB], ids=["sent whole", "sent in part"])
def test_a_call_that_a_dead_worker_has_not_read_goes_to_another(
    workers: Workers, size: int
) -> None:
    pid = int(act(workers, "pid"))
    os.kill(pid, signal.SIGSTOP)
    calling = Background(lambda: act(workers, "pid " + "x" * size))
    wait_until(lambda: not workers._pool._idle)
    time.sleep(0.2)  # until it is sent
    os.kill(pid, signal.SIGKILL)
    assert int(calling.outcome()) != pid


def test_a_kill_of_a_busy_worker_costs_its_call(workers: Workers, tmp_path: Path) -> None:
    busy = Background(lambda: act(workers, f"sleep_and_tell {tmp_path / 'pid'}"))
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    with pytest.raises(WorkerDied, match="was killed by SIGKILL"):
        busy.outcome()
    assert act(workers, "pid")


def test_memory_beyond_the_limit_is_an_error_and_the_worker_lives_on() -> None:
    with isolated(memory_limit=512 * MIB) as workers:
        pid = act(workers, "pid")
        for event in ("allocate 4096", "hoard_small_things"):
            with pytest.raises(RemoteError) as caught:
                act(workers, event, seconds=60)
            assert caught.value.error_type == "MemoryError"
            assert act(workers, "pid") == pid
        assert act(workers, "allocate 16") == b"16"


@pytest.mark.parametrize("event", ["write_garbage", "forge_a_result 0", "close_descriptors"])
def test_a_handler_that_meddles_with_the_connection_ends_its_own_call_only(
    workers: Workers, event: str
) -> None:
    pid = int(act(workers, "pid"))
    with pytest.raises(WorkerDied, match=r"killed|exit code"):
        act(workers, event)
    wait_until(lambda: not runs(pid))
    assert int(act(workers, "pid")) != pid


def test_an_invalid_report_of_an_error_ends_the_worker() -> None:
    with isolated() as workers:
        pid = int(act(workers, "pid"))  # call 1
        with pytest.raises(WorkerDied, match="sent an invalid answer, and was killed"):
            act(workers, "forge_an_error 2")
        assert int(act(workers, "pid")) != pid


def test_the_answer_of_a_forked_child_is_ignored(workers: Workers) -> None:
    assert act(workers, "fork_and_answer_twice") == b"by parent"
    assert act(workers, "fork_and_answer_twice") == b"by parent"


def test_a_child_ends_with_the_worker_that_forked_it(workers: Workers) -> None:
    worker = int(act(workers, "pid"))
    child = int(act(workers, "fork_and_leave"))
    assert runs(child)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not runs(child))
    assert act(workers, "pid")


def test_a_child_of_a_worker_that_died_neither_lives_on_nor_hides_the_death(
    workers: Workers, tmp_path: Path
) -> None:
    with pytest.raises(WorkerDied, match="exit code 9"):
        act(workers, f"spawn_and_die {tmp_path / 'pid'}")
    wait_until(lambda: not runs(int((tmp_path / "pid").read_text())))


def test_a_handler_changes_only_its_own_process(tmp_path: Path) -> None:
    before = os.getcwd(), dict(os.environ), signal.getsignal(signal.SIGTERM), sys.stdout
    with isolated(workers=2) as workers:
        all_at_once(workers, tmp_path / "gate")
        assert act(workers, "wreck_the_process") == b"/"
        assert len(all_at_once(workers, tmp_path / "another")) == 2
    assert (os.getcwd(), dict(os.environ), signal.getsignal(signal.SIGTERM), sys.stdout) == before


def test_32_mib_come_back_byte_for_byte() -> None:
    event = os.urandom(MIB) * 32
    with isolated("worker_functions:echo") as workers:
        assert act(workers, event) == event
        assert act(workers, b"") == b""
        assert act(workers, event[:-1]) == event[:-1]


def test_a_result_larger_than_can_be_sent_is_an_error(workers: Workers) -> None:
    pid = act(workers, "pid")
    with pytest.raises(RemoteError, match=f"{MAX_PART + 1} bytes"):
        act(workers, f"answer_much {MAX_PART + 1}")
    with pytest.raises(ValueError, match=f"{MAX_PART + 1} bytes"):
        act(workers, bytes(MAX_PART + 1))
    assert act(workers, "pid") == pid


def test_context_variables_do_not_outlive_their_call(workers: Workers) -> None:
    assert act(workers, "set_mark mine") == b"none"
    assert act(workers, "set_mark mine") == b"none"


def test_a_signal_that_comes_between_calls_costs_none(workers: Workers) -> None:
    pid = int(act(workers, "pid"))
    assert act(workers, "alarm_later 1") == b"armed"
    wait_until(lambda: not runs(pid))
    assert act(workers, "pid")


def test_a_worker_serves_so_many_calls_and_is_replaced(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    settings = {"settings": {"notes": str(notes)}}
    with isolated("worker_functions:Phases", settings, max_calls=3) as workers:
        pids = [act(workers, "pid") for _ in range(7)]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
        wait_until(lambda: notes.read_text().count("pre_stop") == 2)
        wait_until(lambda: not runs(int(pids[0])))
        hooks = [
            line.split()[0] for line in notes.read_text().splitlines() if pids[0].decode() in line
        ]
    assert hooks == ["initialize", "invoke", "invoke", "invoke", "pre_stop"]


def test_workers_are_started_when_calls_need_them(tmp_path: Path) -> None:
    with isolated(workers=3) as workers:
        assert workers.load() == ""
        assert len(workers._pool.loaded) == 1
        first = [act(workers, "pid") for _ in range(5)]
        assert len(set(first)) == 1
        assert len(all_at_once(workers, tmp_path / "gate")) == 3


def test_a_caller_waits_for_a_worker_until_its_deadline_without_cost_to_others(
    workers: Workers, tmp_path: Path
) -> None:
    pid, gate = act(workers, "pid"), tmp_path / "gate"
    busy = Background(lambda: act(workers, f"wait_for {gate}"))
    wait_until(lambda: not workers._pool._idle)
    with pytest.raises(FunctionTimeoutError, match="none of its 1 workers was free"):
        act(workers, "pid", seconds=0.2)
    gate.touch()
    assert busy.outcome() == pid
    assert act(workers, "pid") == pid


def test_a_deadline_does_not_end_a_worker_that_is_still_importing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import os, time\n"
        f"while not os.path.exists({str(tmp_path / 'gate')!r}): time.sleep(0.01)\n"
        "def handle(event, context):\n    return os.getpid()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with isolated("slow_to_import.handle") as workers:
        with pytest.raises(FunctionTimeoutError, match="none of its 1 workers was free"):
            act(workers, b"", seconds=0.3)
        (starting,) = workers._pool._starting
        (tmp_path / "gate").touch()
        assert int(act(workers, b"")) == starting.pid


def test_callers_are_served_in_the_order_they_came(workers: Workers, tmp_path: Path) -> None:
    act(workers, "pid")
    order = tmp_path / "order"
    busy = Background(lambda: act(workers, f"wait_for {tmp_path / 'gate'}"))
    wait_until(lambda: not workers._pool._idle)
    callers = []
    for number in range(8):
        callers.append(Background(lambda number=number: act(workers, f"note {number} {order}")))  # type: ignore[misc]
        wait_until(lambda: len(workers._pool._waiters) == number + 1)  # noqa: B023
    (tmp_path / "gate").touch()
    for caller in [busy, *callers]:
        caller.outcome()
    assert order.read_text() == "01234567"


def test_no_caller_starves_among_busy_ones(workers: Workers) -> None:
    stop = threading.Event()
    served = [0] * 8

    def greedy(number: int) -> None:
        while not stop.is_set():
            act(workers, "sleep 0.005")
            served[number] += 1

    callers = [Background(lambda number=number: greedy(number)) for number in range(8)]  # type: ignore[misc]
    wait_until(lambda: max(served) >= 30)
    counts = list(served)
    stop.set()
    for caller in callers:
        caller.outcome()
    assert min(counts) >= 10


def test_a_worker_that_hangs_in_pre_stop_is_killed_at_the_deadline(tmp_path: Path) -> None:
    settings = {"settings": {"notes": str(tmp_path / "notes"), "hang": "pre_stop"}}
    with isolated("worker_functions:Phases", settings) as workers:
        workers.initialize(call())
        started = time.monotonic()
        with pytest.raises(FunctionTimeoutError):
            workers.pre_stop(call({"x-fc-function-timeout": "1"}))
        assert 0.9 < time.monotonic() - started < PATIENCE / 2  # the hook hangs for longer


def test_a_busy_worker_is_not_waited_for_beyond_the_deadline(
    workers: Workers, tmp_path: Path
) -> None:
    workers.initialize(call())
    busy = Background(lambda: act(workers, f"wait_for {tmp_path / 'gate'}"))
    wait_until(lambda: not workers._pool._idle)
    with pytest.raises(FunctionTimeoutError, match=r"was busy, and has not run pre_freeze"):
        workers.pre_freeze(call({"x-fc-function-timeout": "1"}))
    (tmp_path / "gate").touch()
    assert busy.outcome()


def test_hooks_run_in_every_worker(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    settings = {"settings": {"notes": str(notes)}}
    with isolated("worker_functions:Phases", settings, workers=3) as workers:
        workers.load()
        assert workers.implements("initialize")
        assert b'"ready": "the-call"' in workers.initialize(call())
        pids = set(map(str, all_at_once(workers, tmp_path / "gate")))
        workers.pre_freeze(call())
        workers.pre_stop(call())
        workers.pre_stop(call())
        workers.pre_freeze(call())
        lines = notes.read_text().splitlines()
        assert act(workers, "pid").decode() in pids
        assert notes.read_text().splitlines()[-2].startswith("initialize")
    for hook in ("initialize", "pre_freeze", "pre_stop"):
        assert {line.split()[1] for line in lines if line.startswith(f"{hook} ")} == pids
        assert len([line for line in lines if line.startswith(f"{hook} ")]) == 3


def test_an_initializer_that_fails_fails_its_call_and_is_tried_again(tmp_path: Path) -> None:
    settings = {"settings": {"notes": str(tmp_path / "notes")}}
    with isolated("worker_functions:FailsOnce", settings) as workers:
        with pytest.raises(RemoteError, match="not yet"):
            act(workers, "pid")
        assert act(workers, "pid")


def test_a_death_in_an_initializer_is_reported(tmp_path: Path) -> None:
    settings = {"settings": {"notes": str(tmp_path / "notes"), "die": "initialize"}}
    phases = "worker_functions:Phases"
    with isolated(phases, settings) as workers, pytest.raises(WorkerDied, match="exit code 5"):
        workers.initialize(call())


def test_a_function_that_always_dies_is_soon_rejected_at_once_and_later_retried() -> None:
    with isolated() as workers:

        def die(most: int) -> None:
            for _ in range(most):
                with suppress(WorkerDied):
                    act(workers, "exit_hard 3")

        def answers() -> bool:
            with suppress(WorkerUnavailable):
                return bool(act(workers, "pid"))
            return False

        for _ in range(3):
            with pytest.raises(WorkerDied):
                act(workers, "exit_hard 3")
        with pytest.raises(WorkerUnavailable, match=r"3 died one after another.*exit code 3"):
            die(9)  # none, except where the pause was over before the call
        wait_until(answers)


def test_a_thread_that_a_handler_left_does_not_hold_up_the_end() -> None:
    with isolated() as workers:
        assert act(workers, "leave_a_thread") == b"left"
        started = time.monotonic()
    assert time.monotonic() - started < PATIENCE / 2  # the thread takes all of it


def test_workers_that_hang_are_ended_all_the_same() -> None:
    with isolated(workers=2) as workers:
        calls = [Background(lambda: act(workers, "hold_the_gil")) for _ in range(2)]
        wait_until(lambda: len(workers._pool.loaded) == 2 and not workers._pool._idle)
        time.sleep(0.2)
        waiting = Background(lambda: act(workers, "pid"))
        wait_until(lambda: workers._pool._waiters)
    for ended in calls:
        with pytest.raises(WorkerDied):
            ended.outcome()
    with pytest.raises(WorkerUnavailable, match="stopped"):
        waiting.outcome()
    with pytest.raises(WorkerUnavailable, match="stopped"):
        act(workers, "pid")


def test_nothing_is_left_open() -> None:
    def threads() -> int:
        return sum(thread.name.startswith("fcplug-worker") for thread in threading.enumerate())

    before = threads(), descriptors()
    with isolated(workers=2) as workers:
        for _ in range(3):
            with pytest.raises(FunctionTimeoutError):
                act(workers, "sleep 60", seconds=0.5)
            os.kill(int(act(workers, "pid")), signal.SIGKILL)
        assert act(workers, "pid")
    wait_until(lambda: (threads(), descriptors()) <= before)
