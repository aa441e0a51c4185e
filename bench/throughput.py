"""Throughput, latency and processor time for each request, and memory after the load."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from contestants import Contestant
from family import cpu_seconds, move, pss, rss, wait_until_idle
from load import LoadError, load
from machine import Processors
from progress import log
from request import Request
from running import Server, ServerError, running
from samples import Record, rotated

AFTER_LOAD = "after load"


@dataclass(frozen=True)
class Case:
    """A kind of load; pinned: server and client have one processor each."""

    connections: int
    pinned: bool = True
    close: bool = False

    @property
    def name(self) -> str:
        """Return the name that tables use."""
        ending = ", close" if self.close else ""
        return f"{'pinned' if self.pinned else 'unpinned'} c={self.connections}{ending}"


FULL = (
    Case(1),
    Case(16),
    Case(64),
    Case(16, close=True),
    Case(1, pinned=False),
    Case(16, pinned=False),
    Case(64, pinned=False),
)
QUICK = (Case(1), Case(16), Case(16, pinned=False), Case(64, pinned=False))


@dataclass(frozen=True)
class Field:
    """The request for all contestants, the processors, and the seconds for each."""

    request: Request
    processors: Processors
    seconds: int


def measure(
    record: Record,
    contestants: Sequence[Contestant],
    cases: Sequence[Case],
    turn: int,
    field: Field,
) -> None:
    """Measure one round: all servers run, one of them is loaded at a time, case by case."""
    with contextlib.ExitStack() as stack:
        servers = list(_started(record, rotated(contestants, turn), field, stack))
        for server in servers:
            _guarded(record, server, replace(field, seconds=1), Case(16), None)
        for case in cases:
            log(f"  {case.name}")
            for server in rotated(servers, turn):
                if not (case.pinned and server.contestant.unpinned_only):
                    _guarded(record, server, field, case, turn)
        for server in servers:
            time.sleep(0.1)
            memory = {"rss": float(rss(server.pid)), "pss": float(pss(server.pid))}
            record.add(AFTER_LOAD, server.contestant.name, turn, **memory)


def sample(server: Server, field: Field, case: Case) -> dict[str, float]:
    """Return the figures of one load; times in seconds, ``cpu`` for one request.

    Raises:
        LoadError: too many requests failed.
    """
    everywhere = field.processors.all
    move(server.pid, field.processors.server if case.pinned else everywhere)
    client = field.processors.client if case.pinned else everywhere
    before = cpu_seconds(server.pid)
    outcome = load(
        server.port,
        replace(field.request, close=case.close),
        connections=case.connections,
        seconds=field.seconds,
        processors=client,
    )
    cpu = (cpu_seconds(server.pid) - before) / outcome.requests
    seen = {"rate": outcome.rate, "p50": outcome.p50, "p99": outcome.p99}
    return {**seen, "cpu": cpu, "failed": outcome.failed}


def _started(
    record: Record, contestants: Sequence[Contestant], field: Field, stack: contextlib.ExitStack
) -> Iterator[Server]:
    for contestant in contestants:
        try:
            server = stack.enter_context(
                running(contestant, field.request, field.processors.server)
            )
            wait_until_idle(server.pid)
            yield server
        except ServerError as error:
            record.remark(f"{contestant.name}: {error}")


def _guarded(record: Record, server: Server, field: Field, case: Case, turn: int | None) -> None:
    """Measure and record; a load that fails has a remark and no figures."""
    try:
        figures = sample(server, field, case)
    except LoadError as error:
        record.remark(f"{server.contestant.name}, {case.name}: {error}")
        return
    if turn is not None:
        record.add(case.name, server.contestant.name, turn, **figures)
