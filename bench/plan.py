"""How much is measured: everything, a quick part, or just enough to see that it works."""

from dataclasses import dataclass

import throughput
from contestants import BASE
from throughput import Case


@dataclass(frozen=True)
class Plan:
    """The rounds of each measure, and the contestants; no names means all of them."""

    cases: tuple[Case, ...]
    names: tuple[str, ...] = ()
    rounds: int = 5
    seconds: int = 2  # of each load
    cold: int = 10
    echo: int = 5
    echoing: tuple[str, ...] = ()
    functions: tuple[int, ...] = (10, 1000, 10_000)
    middleware: tuple[int, ...] = (0, 1, 5)
    sittings: int = 3  # starts of the servers whose small differences are measured
    in_process: int = 30
    web: int = 5  # rounds of web calls, and of calls of a worker


_OURS = (BASE, "fcplug", "fcplug-2", "fcplug-1000", "fcplug-built", "fcplug-built-1000")

PLANS = {
    "full": Plan(throughput.FULL),
    "quick": Plan(
        throughput.QUICK,
        (*_OURS, "flask-dev", "fastapi", "granian", "node"),
        rounds=3,
        seconds=1,
        cold=5,
        echo=2,
        echoing=_OURS,
        functions=(10, 1000),
        middleware=(0, 5),
        sittings=1,
        in_process=10,
        web=2,
    ),
    "smoke": Plan(
        (Case(16), Case(16, close=True), Case(8, pinned=False)),
        _OURS,
        rounds=2,
        seconds=1,
        cold=2,
        echo=1,
        functions=(10, 100),
        middleware=(0, 1),
        sittings=1,
        in_process=2,
        web=1,
    ),
    "own": Plan(
        (Case(1), Case(16), Case(16, pinned=False)),
        (BASE, "fcplug"),
        rounds=5,
        seconds=2,
        cold=7,
        echo=0,
        functions=(),
        middleware=(),
        in_process=0,
        web=0,
    ),
}
