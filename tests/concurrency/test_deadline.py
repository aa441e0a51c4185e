"""Deadlines: one outcome for every caller, at once when it is late, and every thread accounted."""

import contextvars
import logging
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fcplug.concurrency.bulkhead import Bulkhead
from fcplug.concurrency.deadline import DeadlineExecutor
from fcplug.concurrency.threads import ThreadPool
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError
from fcplug.identity import Credentials
from fcplug.result import failure
from support.waiting import wait_until

PATIENCE = 60.0  # seconds after which a test that hangs fails
SOON = 0.05  # seconds: a deadline to miss


def nothing() -> None:
    return


class Bench:
    """A process's threads, and one function on them."""

    def __init__(self, **limits: Any) -> None:
        self.exhausted = 0
        self.ended = 0
        self.gate = threading.Event()
        self.threads = ThreadPool(self._exhaust, **limits)
        self.deadlines = DeadlineExecutor("resize", self.threads)
        self._lock = threading.Lock()

    def run(
        self,
        work: Callable[[], Any],
        seconds: float = PATIENCE,
        cancel: Callable[[], None] = nothing,
        deadlines: DeadlineExecutor | None = None,
    ) -> Any:
        return (deadlines or self.deadlines).run(
            work, time.monotonic() + seconds, cancel=cancel, on_end=self._end
        )

    def hang(self, deadlines: DeadlineExecutor | None = None) -> str:
        """Abandon an invocation that ends when the gate opens; return its thread's name."""
        return self.abandon(lambda: self.gate.wait(PATIENCE), deadlines)

    def abandon(self, work: Callable[[], Any], deadlines: DeadlineExecutor | None = None) -> str:
        """Abandon an invocation that has begun; return its thread's name."""
        begun = threading.Event()

        def begin() -> None:
            begun.set()
            work()

        with pytest.raises(FunctionTimeoutError) as caught:
            self.run(begin, SOON, deadlines=deadlines)
        assert begun.wait(PATIENCE)
        (name,) = re.findall(r"goes on in thread (\S+) until", str(caught.value))
        return str(name)

    def _exhaust(self) -> None:
        self.exhausted += 1

    def _end(self) -> None:
        with self._lock:
            self.ended += 1


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.gate.set()
    wait_until(lambda: bench.threads.abandoned == 0)


def test_an_invocation_in_time_returns_its_value(bench: Bench) -> None:
    assert bench.run(lambda: 7) == 7
    assert bench.ended == 1


def test_the_work_sees_the_callers_context_variables_in_a_thread_of_its_own(bench: Bench) -> None:
    variable = contextvars.ContextVar("variable", default="")
    variable.set("caller")

    def work() -> tuple[str, str]:
        seen = variable.get()
        variable.set("work")
        return seen, threading.current_thread().name

    assert bench.run(work) == ("caller", "deadline-1")
    assert variable.get() == "caller"
    assert bench.run(work) == ("caller", "deadline-1")


def test_a_deadline_farther_than_any_clock_is_accepted(bench: Bench) -> None:
    assert bench.run(lambda: 7, 1e30) == 7
    assert bench.run(lambda: 7, float("inf")) == 7


@pytest.mark.parametrize(
    "kind", [ValueError, StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit]
)
def test_whatever_the_work_raises_is_the_callers_with_the_authors_frames(
    bench: Bench, kind: type[BaseException]
) -> None:
    def innermost() -> None:
        raise kind("on purpose")

    with pytest.raises(kind, match="on purpose") as caught:
        bench.run(innermost)
    document = failure(caught.value, Credentials()).body.decode()
    assert "in innermost" in document
    assert "deadline.py" not in document.replace(__file__, "")
    assert caught.value.__context__ is None
    assert bench.run(lambda: threading.current_thread().name) == "deadline-1"
    assert bench.ended == 2


def test_the_idle_thread_used_last_is_the_next(bench: Bench) -> None:
    entered = threading.Barrier(4, timeout=PATIENCE)
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda _: bench.run(entered.wait), range(4)))
    assert bench.threads.idle == 4
    used = {bench.run(lambda: threading.current_thread().name) for _ in range(20)}
    assert len(used) == 1


def test_a_late_invocation_is_answered_at_once_and_asked_to_stop(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = threading.Event()
    ended = threading.Event()

    def handle(secret: str) -> str:
        assert secret
        bench.gate.wait(PATIENCE)  # the line where it hangs
        ended.set()
        return "too late"

    started = time.monotonic()
    with pytest.raises(FunctionTimeoutError) as caught:
        bench.run(lambda: handle("s3cr3t-" + "value"), 1, cancelled.set)
    assert time.monotonic() - started >= 1
    assert re.match(
        r"function 'resize' timed out after (1 second|0.9\d* seconds): abandoned", str(caught.value)
    )
    assert str(caught.value).endswith("it goes on in thread deadline-1 until it ends")
    assert cancelled.is_set()
    assert not ended.is_set()
    reported = caplog.text
    assert "function 'resize' did not end by its deadline; thread deadline-1 was at:" in reported
    assert f'File "{__file__}", line ' in reported
    assert "in handle\n    bench.gate.wait(PATIENCE)  # the line where it hangs" in reported
    assert "s3cr3t-value" not in reported
    assert "_bootstrap" not in reported
    assert "fcplug/concurrency/threads.py" not in reported.partition("was at:")[2]


def test_the_thread_of_a_late_invocation_serves_nobody_else_and_ends_with_it(bench: Bench) -> None:
    used: list[threading.Thread] = []

    def late() -> None:
        used.append(threading.current_thread())
        bench.gate.wait(PATIENCE)

    bench.abandon(late)
    wait_until(lambda: bool(used))
    assert used[0].daemon
    assert bench.run(threading.current_thread) is not used[0]
    assert (bench.deadlines.abandoned, bench.threads.abandoned) == (1, 1)
    assert bench.ended == 1
    bench.gate.set()
    used[0].join(PATIENCE)
    assert not used[0].is_alive()
    assert (bench.deadlines.abandoned, bench.threads.abandoned) == (0, 0)
    assert bench.ended == 2


@pytest.mark.parametrize("kind", [None, ValueError, SystemExit, StopIteration])
def test_a_late_outcome_is_dropped_and_counted(
    bench: Bench, kind: type[BaseException] | None, caplog: pytest.LogCaptureFixture
) -> None:
    def late() -> str:
        bench.gate.wait(PATIENCE)
        if kind:
            raise kind
        return "unheard"

    bench.abandon(late)
    bench.gate.set()
    wait_until(lambda: "has now" in caplog.text)
    how = f"raised {kind.__name__}" if kind else "returned"
    assert f"function 'resize', abandoned before, has now {how}" in caplog.text
    assert bench.deadlines.dropped == 1
    assert bench.run(lambda: "heard") == "heard"


def test_an_invocation_whose_time_is_up_never_begins(bench: Bench) -> None:
    begun = threading.Event()
    with pytest.raises(FunctionTimeoutError, match="its deadline passed before it began"):
        bench.run(begun.set, -1)
    assert not begun.is_set()
    assert (bench.ended, bench.threads.idle) == (1, 0)


def test_a_function_with_too_many_abandoned_invocations_is_refused_until_one_ends(
    bench: Bench,
) -> None:
    own = threading.Event()
    bench.abandon(lambda: own.wait(PATIENCE))
    for _ in range(7):
        bench.hang()
    with pytest.raises(ConcurrencyExceeded, match="rejected: 8 of its invocations were"):
        bench.run(nothing)
    assert bench.ended == 1
    neighbour = DeadlineExecutor("neighbour", bench.threads)
    assert bench.run(lambda: 7, deadlines=neighbour) == 7
    own.set()
    wait_until(lambda: bench.deadlines.abandoned == 7)
    assert bench.run(lambda: 7) == 7


def test_a_process_with_too_many_abandoned_invocations_is_exhausted_once() -> None:
    bench = Bench(max_abandoned=3)
    functions = [DeadlineExecutor(f"f{number}", bench.threads) for number in range(4)]
    for function in functions[:2]:
        bench.hang(function)
    assert not bench.threads.exhausted
    bench.hang(functions[2])
    bench.hang(functions[3])
    assert bench.threads.exhausted
    assert bench.exhausted == 1
    with pytest.raises(ConcurrencyExceeded, match="1 of its invocations"):
        bench.run(nothing, deadlines=functions[0])
    assert bench.run(lambda: 7) == 7  # a function without abandoned invocations is served
    bench.gate.set()


def test_abandoned_invocations_that_use_the_processor_exhaust_the_process() -> None:
    bench = Bench(max_cpu=0.2)
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            pass

    bench.abandon(spin)
    neighbour = DeadlineExecutor("neighbour", bench.threads)
    wait_until(lambda: bench.run(lambda: bench.threads.exhausted, deadlines=neighbour))
    bench.threads.poll(time.monotonic() + 5)
    assert bench.exhausted == 1
    done.set()


def test_abandoned_invocations_that_only_wait_do_not() -> None:
    bench = Bench(max_cpu=0.2)
    bench.hang()
    time.sleep(0.4)
    bench.threads.poll(time.monotonic() + 5)
    assert bench.exhausted == 0
    bench.gate.set()


def test_a_caller_that_is_interrupted_leaves_the_work_abandoned(bench: Bench) -> None:
    cancelled = threading.Event()

    def work() -> None:
        while not cancelled.wait(0.2):  # a signal just before the wait begins does not end it
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        bench.gate.wait(PATIENCE)

    with pytest.raises(KeyboardInterrupt):
        bench.run(work, cancel=cancelled.set)
    assert cancelled.is_set()
    assert bench.deadlines.abandoned == 1
    bench.gate.set()
    wait_until(lambda: bench.deadlines.dropped == 1 and bench.ended == 1)


def test_a_thread_without_work_ends() -> None:
    bench = Bench(idle_limit=0.01)
    before = threading.active_count()
    for _ in range(5):
        bench.run(nothing)
        wait_until(lambda: bench.threads.idle == 0)
    wait_until(lambda: threading.active_count() == before)


def test_a_thread_that_ends_for_want_of_work_is_never_lent() -> None:
    bench = Bench(idle_limit=0.0005)
    for _ in range(300):
        assert bench.run(lambda: 7) == 7
        time.sleep(random.choice((0, 0.0004, 0.0005, 0.0006)))


def test_a_system_without_free_threads_is_reported_and_the_permit_released() -> None:
    bench = Bench()
    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            bench.run(nothing)
    finally:
        threading.stack_size(before)
    assert bench.ended == 1
    assert bench.run(lambda: 7) == 7


def test_ending_and_being_abandoned_at_the_same_moment_is_one_of_both() -> None:
    bench = Bench()
    patient = DeadlineExecutor("resize", bench.threads, max_abandoned=10_000)
    outcomes: Counter[str] = Counter()
    cancelled = 0
    ended = threading.Semaphore(0)
    logging.getLogger("fcplug").setLevel(logging.CRITICAL)

    def cancel() -> None:
        nonlocal cancelled
        cancelled += 1

    try:
        aim = 0.0  # seconds from the deadline; drawn to where both sides of the race are met
        for _ in range(400):
            deadline = time.monotonic() + 0.002
            moment = deadline + aim + random.uniform(-0.0003, 0.0003)

            def work(moment: float = moment) -> str:
                time.sleep(max(0.0, moment - time.monotonic()))
                return "value"

            try:
                outcomes[patient.run(work, deadline, cancel=cancel, on_end=ended.release)] += 1
                aim = min(aim + 0.0001, 0.001)
            except FunctionTimeoutError as error:
                outcomes["timeout"] += 1
                outcomes["unbegun"] += "before it began" in str(error)
                aim -= 0.0001
        wait_until(lambda: bench.threads.abandoned == 0)
    finally:
        logging.getLogger("fcplug").setLevel(logging.NOTSET)
    print(f"at the same moment: {dict(outcomes)}")
    assert outcomes["value"] + outcomes["timeout"] == 400
    assert outcomes["timeout"] - outcomes["unbegun"] == cancelled == patient.dropped
    assert min(outcomes["timeout"], outcomes["value"]) > 10  # both sides of the race were met
    assert all(ended.acquire(timeout=PATIENCE) for _ in range(400))
    assert not ended.acquire(blocking=False)


def test_under_load_every_call_has_one_outcome_and_the_counts_add_up() -> None:
    before = threading.active_count()
    bench = Bench(max_abandoned=100_000, max_cpu=1000.0, idle_limit=0.2)
    deadlines = [
        DeadlineExecutor(f"f{number}", bench.threads, max_abandoned=6) for number in range(4)
    ]
    logging.getLogger("fcplug").setLevel(logging.CRITICAL)

    def call(choice: random.Random, function: DeadlineExecutor) -> str:
        cancelled = threading.Event()
        token = choice.random()

        def work() -> float:
            if token < 0.02:
                cancelled.wait(PATIENCE)
                time.sleep(0.002)
            elif token < 0.1:
                raise ValueError(token)
            elif token < 0.12:
                raise SystemExit(token)
            return token

        try:
            value = bench.run(work, 0.05 if token < 0.02 else PATIENCE, cancelled.set, function)
        except (ValueError, SystemExit) as error:
            return "raised" if error.args == (token,) else "wrong"
        except FunctionTimeoutError as error:
            begun = "before it began" not in str(error)
            assert cancelled.is_set() == begun
            return ("late" if begun else "unbegun") if token < 0.02 else "wrong"
        except ConcurrencyExceeded:
            return "refused"
        return "value" if value == token >= 0.12 else "wrong"

    def client(seed: int) -> Counter[str]:
        choice = random.Random(seed)
        return Counter(call(choice, choice.choice(deadlines)) for _ in range(1000))

    try:
        with ThreadPoolExecutor(16) as clients:
            outcomes = sum(clients.map(client, range(16)), Counter[str]())
        wait_until(lambda: bench.threads.abandoned == 0)
    finally:
        logging.getLogger("fcplug").setLevel(logging.NOTSET)
    print(f"under load: {dict(outcomes)}")
    assert outcomes.total() == 16_000
    assert outcomes["wrong"] == 0
    assert outcomes["late"] == sum(function.dropped for function in deadlines) > 0
    assert [function.abandoned for function in deadlines] == [0, 0, 0, 0]
    wait_until(lambda: bench.ended == 16_000)
    wait_until(lambda: threading.active_count() <= before)


def test_a_function_that_never_returns_leaves_its_neighbours_alone(bench: Bench) -> None:
    places = Bulkhead("hung", 4)
    hung = DeadlineExecutor("hung", bench.threads)
    over, reported = threading.Event(), threading.Semaphore(0)

    def hung_client(_number: int) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        while not over.is_set():
            deadline = time.monotonic() + 0.5
            try:
                places.enter(deadline)
                hung.run(
                    lambda: bench.gate.wait(PATIENCE),
                    deadline,
                    cancel=nothing,
                    on_end=places.leave,
                )
            except FunctionTimeoutError:
                outcomes["late"] += 1
            except ConcurrencyExceeded:
                outcomes["refused"] += 1
                reported.release()
            else:
                raise AssertionError("it returned")
            over.wait(0.01)
        return outcomes

    def healthy_client(_number: int) -> list[float]:
        times = []
        while not over.is_set():
            started = time.monotonic()
            assert bench.run(lambda: 7) == 7
            times.append(time.monotonic() - started)
            over.wait(0.001)
        return times

    with ThreadPoolExecutor(24) as clients:
        bad = clients.map(hung_client, range(20))
        good = clients.map(healthy_client, range(4))
        wait_until(lambda: hung.abandoned == 4)
        assert all(reported.acquire(timeout=PATIENCE) for _ in range(100))
        over.set()
        outcomes = sum(bad, Counter[str]())
        times = sorted(second for list_ in good for second in list_)
    p99 = times[len(times) * 99 // 100]
    print(f"hung neighbour: {dict(outcomes)}, {len(times)} healthy, p99 {p99 * 1000:.1f} ms")
    assert hung.abandoned == places.inside == 4
    assert outcomes["refused"] >= 100
    bench.gate.set()
    wait_until(lambda: places.inside == 0)


def test_the_cost_of_a_deadline_is_printed() -> None:
    bench = Bench()

    def p50(call: Callable[[], object]) -> float:
        times = []
        for _ in range(5000):
            started = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - started)
        return sorted(times)[2500] / 1000

    direct = p50(nothing)
    print(f"a deadline: p50 {p50(lambda: bench.run(nothing)):.1f} us, direct {direct:.2f} us")


def test_closing_ends_the_idle_threads() -> None:
    before = threading.enumerate()
    bench = Bench()
    assert bench.run(lambda: 1) == 1
    wait_until(lambda: bench.threads.idle == 1)
    bench.threads.close()
    assert set(threading.enumerate()) <= set(before)
