"""Campaigns and figures: ``python tests/kills.py [KILLS]``.

Kills and crashes of workers under calls, and what a call through one costs.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from fcplug.concurrency.event_loop import EventLoop
from fcplug.config.loader import parse
from fcplug.errors import WorkerDied, WorkerUnavailable
from fcplug.plugins.loader import Loader
from fcplug.plugins.shared_hooks import SharedHooks
from fcplug.workers import Workers
from support.isolated import CODE, NAME, Background, act, call, isolated
from support.waiting import PATIENCE

IN_FLIGHT = 3
HEADERS = {
    "x-fc-function-name": NAME,
    "x-fc-function-timeout": "60",
    "x-fc-access-key-id": "STS." + 20 * "i",
    "x-fc-access-key-secret": 44 * "s",
    "x-fc-security-token": 800 * "t",
}


class Figures(NamedTuple):
    """What came of a kill campaign; times in seconds, in order."""

    answered: int
    died: int
    wrong: int
    worst_round: int
    next_calls: list[float]


def kill_campaign(workers: Workers, kills: int, seed: int = 1) -> Figures:
    """Kill one worker after the other, idle or busy, with calls in flight."""
    dice = random.Random(seed)
    answered = died = wrong = worst = 0
    next_calls = []
    for number in range(kills):
        tokens = [f"{number}-{index}" for index in range(IN_FLIGHT)]
        calls = [Background(lambda t=t: act(workers, f"say {t} 0.02")) for t in tokens]  # type: ignore[misc]
        time.sleep(dice.random() * 0.03)
        live = [worker for worker in workers._pool.loaded if worker.pid]
        if live:
            os.kill(dice.choice(live).pid, signal.SIGKILL)
        failed = 0
        for token, ongoing in zip(tokens, calls, strict=True):
            try:
                wrong += ongoing.outcome() != token.encode()
                answered += 1
            except WorkerDied:
                failed += 1
        died += failed
        worst = max(worst, failed)
        started = time.monotonic()
        act(workers, "pid")
        next_calls.append(time.monotonic() - started)
    return Figures(answered, died, wrong, worst, sorted(next_calls))


def crash_campaign(
    workers: Workers, threads: int, calls: int, percent: int
) -> tuple[int, int, int]:
    """Return how many calls crashed, were answered, and failed though they did no harm."""
    lock = threading.Lock()
    crashed = answered = innocent = 0

    def client(number: int) -> None:
        nonlocal crashed, answered, innocent
        dice = random.Random(number)
        for index in range(calls):
            harmful = dice.randrange(100) < percent
            token = f"{number}-{index}"
            event = dice.choice(("exit_hard 1", "segfault")) if harmful else f"say {token} 0.001"
            try:
                good = _act_when_possible(workers, event) == token.encode()
            except WorkerDied:
                good = harmful
            with lock:
                crashed += harmful
                answered += good and not harmful
                innocent += not good

    clients = [Background(lambda n=n: client(n)) for n in range(threads)]  # type: ignore[misc]
    for ongoing in clients:
        ongoing.join()
        ongoing.outcome()
    return crashed, answered, innocent


def _act_when_possible(workers: Workers, event: str) -> bytes:
    """Call, and again where new workers were hit in a row, so that none is started for a while."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return act(workers, event)
        except WorkerUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def latencies(size: int, calls: int) -> tuple[list[float], list[float]]:
    """Return how long echoing an event takes on a thread and in a worker: seconds, in order."""
    event = bytes(size)
    text = f'{{"version": 1, "functions": {{"{NAME}": {{"handler": "worker_functions:echo"}}}}}}'
    config = parse(text, "functions.yaml", {})
    plugins = Loader(config.document, EventLoop(), {}, SharedHooks()).load(config.functions[NAME])
    direct = timed(calls, lambda: plugins.hook.invoke(event=event, context=call(HEADERS)))
    with isolated("worker_functions:echo") as workers:
        workers.load()
        return direct, timed(
            calls, lambda: workers.invoke(event, call(HEADERS).for_function({}, 600))
        )


def timed(calls: int, work: Callable[[], object]) -> list[float]:
    """Return how long each of so many calls took, the first few left out."""
    times = []
    for _ in range(calls + 3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return sorted(times[3:])


def start_time() -> float:
    """Return the seconds from nothing to a worker that has loaded its function."""
    started = time.perf_counter()
    with isolated() as workers:
        workers.load()
        return time.perf_counter() - started


def main() -> None:
    """Run everything, and print what came of it."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    sys.path.insert(0, str(CODE))
    print(f"start of a worker: {1000 * min(start_time() for _ in range(5)):.0f} ms")
    for size, calls in ((0, 5000), (1024, 5000), (1 << 20, 300), (32 << 20, 10)):
        for where, times in zip(("thread", "worker"), latencies(size, calls), strict=True):
            middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
            print(
                f"echo of {size} bytes, {where}: p50 {middle * 1e6:.0f} us, p99 {late * 1e6:.0f} us"
            )
    with isolated(workers=4) as workers:
        figures = kill_campaign(workers, kills)
    times = [round(1000 * seconds, 1) for seconds in figures.next_calls]
    print(
        f"{kills} kills, {IN_FLIGHT} calls in flight: {figures.answered} answered, "
        f"{figures.died} died, {figures.wrong} wrong, at most {figures.worst_round} a kill; "
        f"next call p50 {times[len(times) // 2]} ms, p99 {times[len(times) * 99 // 100]} ms, "
        f"max {times[-1]} ms"
    )
    with isolated(workers=4) as workers:
        crashed, answered, innocent = crash_campaign(workers, 8, 500, 3)
    print(f"3 % crashes: {crashed} crashed, {answered} answered, {innocent} innocents failed")


if __name__ == "__main__":
    main()
