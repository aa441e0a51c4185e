"""The bulkhead: never more inside than may be, first come first served, no place ever lost."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fcplug.concurrency.bulkhead import Bulkhead
from fcplug.errors import ConcurrencyExceeded
from support.waiting import wait_until

PATIENCE = 60.0  # seconds after which a test that hangs fails


def line_up(bulkhead: Bulkhead, target: Callable[[], None]) -> threading.Thread:
    """Start a thread and return when it waits in line."""
    waiting = bulkhead.waiting
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    wait_until(lambda: bulkhead.waiting == waiting + 1)
    return thread


def test_one_more_than_may_be_inside_is_refused_at_once() -> None:
    bulkhead = Bulkhead("resize", 2)
    bulkhead.enter()
    bulkhead.enter()
    with pytest.raises(ConcurrencyExceeded, match="'resize' already runs 2 invocations, its"):
        bulkhead.enter()
    bulkhead.leave()
    bulkhead.enter()
    assert bulkhead.inside == 2


def test_one_more_than_may_wait_is_refused_at_once() -> None:
    bulkhead = Bulkhead("resize", 1, queue=1)
    bulkhead.enter()
    waiter = line_up(bulkhead, bulkhead.enter)
    with pytest.raises(ConcurrencyExceeded, match=r"runs 1 invocation, .* and 1 more waits: "):
        bulkhead.enter()
    bulkhead.leave()
    waiter.join(PATIENCE)
    assert (bulkhead.inside, bulkhead.waiting) == (1, 0)


def test_places_are_given_in_the_order_of_arrival() -> None:
    bulkhead = Bulkhead("resize", 1, queue=20)
    bulkhead.enter()
    order: list[int] = []

    def waiter(number: int) -> None:
        with bulkhead:
            order.append(number)

    threads = [line_up(bulkhead, lambda number=number: waiter(number)) for number in range(20)]  # type: ignore[misc]
    bulkhead.leave()
    for thread in threads:
        thread.join(PATIENCE)
    assert order == list(range(20))
    assert bulkhead.inside == 0


def test_who_comes_by_when_a_place_is_left_does_not_overtake_who_waits() -> None:
    bulkhead = Bulkhead("resize", 1, queue=1)
    go = threading.Event()

    def waiter() -> None:
        with bulkhead:
            go.wait(PATIENCE)

    for _ in range(100):
        bulkhead.enter()
        go.clear()
        thread = line_up(bulkhead, waiter)
        bulkhead.leave()
        with pytest.raises(ConcurrencyExceeded):  # the place is the waiter's, awake or not
            bulkhead.enter(deadline=time.monotonic())
        go.set()
        thread.join(PATIENCE)


def test_a_waiter_leaves_the_line_at_its_deadline_and_keeps_nobodys_turn() -> None:
    bulkhead = Bulkhead("resize", 1, queue=3)
    bulkhead.enter()
    first = line_up(bulkhead, bulkhead.enter)
    started = time.monotonic()
    with pytest.raises(ConcurrencyExceeded, match="and 2 more wait"):
        bulkhead.enter(deadline=started + 0.05)
    assert time.monotonic() - started >= 0.05
    last = line_up(bulkhead, bulkhead.enter)
    bulkhead.leave()
    first.join(PATIENCE)
    assert (bulkhead.inside, bulkhead.waiting) == (1, 1)
    bulkhead.leave()
    last.join(PATIENCE)
    assert (bulkhead.inside, bulkhead.waiting) == (1, 0)


def test_more_places_are_for_those_who_wait() -> None:
    bulkhead = Bulkhead("resize", 1, queue=3)
    bulkhead.enter()
    waiters = [line_up(bulkhead, bulkhead.enter) for _ in range(3)]
    bulkhead.resize(3, queue=0)
    wait_until(lambda: sum(waiter.is_alive() for waiter in waiters) == 1)
    assert (bulkhead.inside, bulkhead.waiting) == (3, 1)
    bulkhead.leave()
    waiters[2].join(PATIENCE)
    assert (bulkhead.inside, bulkhead.waiting) == (3, 0)


def test_fewer_places_let_nobody_in_until_enough_have_left() -> None:
    bulkhead = Bulkhead("resize", 3, queue=1)
    for _ in range(3):
        bulkhead.enter()
    bulkhead.resize(1, queue=1)
    waiter = line_up(bulkhead, bulkhead.enter)
    bulkhead.leave()
    bulkhead.leave()
    assert (bulkhead.inside, bulkhead.waiting) == (1, 1)
    bulkhead.leave()
    waiter.join(PATIENCE)
    assert (bulkhead.inside, bulkhead.waiting) == (1, 0)
    bulkhead.leave()
    with pytest.raises(ValueError, match="left more often than entered"):
        bulkhead.leave()


@pytest.mark.parametrize("deadline", [None, 1e12], ids=["none", "far"])
def test_a_waiter_that_is_interrupted_takes_no_place_with_it(deadline: float | None) -> None:
    bulkhead = Bulkhead("resize", 1, queue=1)
    bulkhead.enter()

    interrupted = threading.Event()

    def interrupt() -> None:
        wait_until(lambda: bulkhead.waiting == 1)
        while not interrupted.wait(0.2):  # a signal just before the wait begins does not end it
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        bulkhead.enter(deadline)
    interrupted.set()
    thread.join(PATIENCE)
    assert bulkhead.waiting == 0
    bulkhead.leave()
    assert bulkhead.inside == 0


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_place_is_given_back_whatever_ends_the_invocation(kind: type[BaseException]) -> None:
    bulkhead = Bulkhead("resize", 1)
    for _ in range(3):
        with pytest.raises(kind), bulkhead:
            raise kind
    assert bulkhead.inside == 0


def test_any_thread_may_give_a_place_back() -> None:
    bulkhead = Bulkhead("resize", 1)
    bulkhead.enter()
    thread = threading.Thread(target=bulkhead.leave)
    thread.start()
    thread.join(PATIENCE)
    bulkhead.enter()


def test_giving_back_what_was_not_taken_is_an_error() -> None:
    bulkhead = Bulkhead("resize", 1)
    with pytest.raises(ValueError, match="left more often than entered"):
        bulkhead.leave()
    assert bulkhead.inside == 0


def test_under_load_the_limit_holds_and_every_place_comes_back() -> None:
    bulkhead = Bulkhead("resize", 3, queue=4)
    gauge = threading.Lock()
    inside = most = 0

    def client(seed: int) -> tuple[int, int]:
        nonlocal inside, most
        served = refused = 0
        while served < 100:
            number = served + refused
            hurry = (seed + number) % 3 == 0
            try:
                bulkhead.enter(time.monotonic() + (0.0002 if hurry else PATIENCE))
            except ConcurrencyExceeded:
                refused += 1
                time.sleep(0.0002)  # else those inside hardly get to run
                continue
            with gauge:
                inside += 1
                most = max(most, inside)
            if number % 7 == 0:
                time.sleep(0.0002)
            with gauge:
                inside -= 1
            bulkhead.leave()
            served += 1
        return served, refused

    with ThreadPoolExecutor(16) as clients:
        outcomes = list(clients.map(client, range(16)))
    assert sum(served for served, _ in outcomes) == 1600
    assert sum(refused for _, refused in outcomes) > 0
    assert most == 3
    assert (bulkhead.inside, bulkhead.waiting) == (0, 0)


def test_the_cost_of_an_uncontended_permit_is_printed() -> None:
    bulkhead = Bulkhead("resize", 4, queue=4)
    times = []
    for _ in range(20_000):
        started = time.perf_counter_ns()
        bulkhead.enter()
        bulkhead.leave()
        times.append(time.perf_counter_ns() - started)
    print(f"a place, uncontended: p50 {sorted(times)[10_000] / 1000:.2f} us")
    assert bulkhead.inside == 0
