"""The watchdog ends a process that holds the GIL too long, and no other process."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pytest

from fcplug.process.watchdog import Watchdog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the timers are Linux's")

SECONDS = 3
PATIENCE = 90.0  # seconds after which a test that hangs fails

LOOP = """
import ctypes, re, sys, threading, time
from fcplug.process.watchdog import Watchdog

dog = Watchdog({seconds}, sys.stderr)
deadline = time.monotonic() + {life}
busy = {busy}

def hang_in_c():
    ctypes.PyDLL(None).sleep(5 if not busy else 600)

def hang_in_a_pattern():
    re.match(r"(a+)+$", "a" * 40 + "b")

def spin():
    while True:
        pass

def nothing():
    pass

def work():
    time.sleep(0.3)
    sys.stdout.write(f"at {{time.monotonic()}}\\n")  # one write: lines do not mix
    sys.stdout.flush()
    {work}()

for _ in range({threads}):
    threading.Thread(target=work, daemon=True).start()
while time.monotonic() < deadline:
    dog.beat(busy)
    {turn}
    time.sleep(0.02)
dog.stop()
print("healthy", flush=True)
"""


class Case(NamedTuple):
    """A server's loop, and what goes on beside it."""

    work: str
    busy: bool = True
    life: float = 6.0
    threads: int = 1


CASES = {
    "hang in C": Case("hang_in_c", life=600),
    "hang in a pattern": Case("hang_in_a_pattern", life=600),
    "spinning threads": Case("spin", threads=4),
    "a hang with nothing in flight": Case("hang_in_c", busy=False),
    "work done": Case("nothing"),
}


class Outcome(NamedTuple):
    """How a case ended; ``took`` seconds after the work had begun."""

    took: float
    status: int
    out: str
    err: str


def start(case: Case, turn: str = "pass") -> "subprocess.Popen[bytes]":
    code = LOOP.format(seconds=SECONDS, turn=turn, **case._asdict())
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def watch(process: "subprocess.Popen[bytes]") -> Outcome:
    out, err = (text.decode() for text in process.communicate(timeout=PATIENCE))
    took = time.monotonic() - float(out.split()[1])
    return Outcome(took, process.returncode, out, err)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, "Future[Outcome]"]]:
    """All cases at once: each takes seconds of waiting."""
    processes = {name: start(case) for name, case in CASES.items()}
    with ThreadPoolExecutor(len(CASES)) as watchers:
        yield {name: watchers.submit(watch, process) for name, process in processes.items()}
        for process in processes.values():
            process.kill()


def freeze(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Stop the process, let it go on, and return when its loop has had a turn."""
    assert process.stdout
    out = process.stdout.fileno()
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    time.sleep(seconds)
    while select.select([out], [], [], 0)[0]:
        os.read(out, 65536)
    process.send_signal(signal.SIGCONT)
    for _ in range(2):  # the first may be of an earlier beat
        assert select.select([out], [], [], PATIENCE)[0]
        assert os.read(out, 1), process.communicate()[1].decode()


@pytest.mark.parametrize(
    "cycles", [1, pytest.param(3, marks=pytest.mark.slow)], ids=["once", "3-times"]
)
def test_a_process_frozen_for_longer_than_the_limit_with_a_request_in_flight_goes_on(
    outcomes: dict[str, "Future[Outcome]"],  # they wait meanwhile
    cycles: int,
) -> None:
    process = start(Case("nothing", life=1000), turn='sys.stdout.write("."); sys.stdout.flush()')
    try:
        for _ in range(cycles):
            time.sleep(0.1)
            freeze(process, SECONDS + 0.5)
        time.sleep(2.5)  # an expiry that was not called off would end it now
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["hang in C", "hang in a pattern"])
def test_a_hang_that_holds_the_gil_ends_the_process_in_time_with_all_stacks(
    outcomes: dict[str, "Future[Outcome]"], name: str
) -> None:
    outcome = outcomes[name].result()
    print(f"{name}: ended {outcome.took:.2f} s after it began, with a limit of {SECONDS} s")
    assert outcome.status == -signal.SIGALRM
    assert outcome.took > SECONDS - 2  # the last beat came before; a busy machine makes it longer
    assert re.search(rf'File "<string>", line \d+ in {CASES[name].work}\n', outcome.err)
    assert re.search(r'File "<string>", line \d+ in <module>\n', outcome.err)


@pytest.mark.parametrize("name", ["spinning threads", "a hang with nothing in flight", "work done"])
def test_a_process_whose_loop_lives_or_has_nothing_to_do_is_left_alone(
    outcomes: dict[str, "Future[Outcome]"], name: str
) -> None:
    outcome = outcomes[name].result()
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith("healthy\n")


def test_a_limit_too_short_to_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a watchdog of 2.5 s: at least 3 s"):
        Watchdog(2.5, sys.stderr)


def test_a_watchdog_outside_the_main_thread_is_refused() -> None:
    with ThreadPoolExecutor(1) as other, pytest.raises(ValueError, match="main thread"):
        other.submit(Watchdog, 60, 2).result()


def test_a_watchdog_that_is_stopped_leaves_signals_as_it_found_them() -> None:
    before = signal.getsignal(signal.SIGALRM)
    watchdog = Watchdog(60, sys.__stderr__ or 2)
    watchdog.beat(busy=True)
    watchdog.stop()
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_cost_of_a_beat_is_printed() -> None:
    watchdog = Watchdog(60, sys.__stderr__ or 2)
    try:
        for busy, name in ((True, "busy"), (False, "idle")):
            started = time.perf_counter_ns()
            for _ in range(20_000):
                watchdog.beat(busy)
            print(f"a beat, {name}: {(time.perf_counter_ns() - started) / 20e6:.2f} us")
        started = time.perf_counter_ns()
        for number in range(20_000):
            watchdog.beat(number % 2 == 0)
        print(f"a setting of the timer: {(time.perf_counter_ns() - started) / 20e6:.2f} us")
    finally:
        watchdog.stop()
