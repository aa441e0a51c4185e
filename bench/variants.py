"""What more functions, or more middleware, cost an invocation of fcplug."""

import contextlib
from collections.abc import Sequence

from codefolder import CodeFolder, config, for_all_functions
from contestants import Contestant
from family import wait_until_idle
from load import LoadError
from running import ServerError, running
from samples import Record, rotated
from throughput import Case, Field, sample

FUNCTIONS = "functions configured"
MIDDLEWARE = "middleware"
_CASE = Case(16)


def functions(code: CodeFolder, counts: Sequence[int]) -> list[Contestant]:
    """Return fcplug with these numbers of functions, all loaded, one of them called."""
    contestants = [code.contestant(f"{n}", f"{n:,} functions", config(functions=n)) for n in counts]
    return [for_all_functions(contestant) for contestant in contestants]


def middleware(code: CodeFolder, counts: Sequence[int]) -> list[Contestant]:
    """Return fcplug with these numbers of middleware around its function."""
    return [code.contestant(f"{n}", f"{n} middleware", config(middleware=n)) for n in counts]


def measure(
    record: Record, name: str, contestants: Sequence[Contestant], turns: range, field: Field
) -> None:
    """Start all, then load them in turns; small differences need many rounds."""
    with contextlib.ExitStack() as stack:
        servers = []
        for contestant in rotated(contestants, turns.start):
            try:
                server = stack.enter_context(
                    running(contestant, field.request, field.processors.server)
                )
            except ServerError as error:
                record.remark(f"{name}, {contestant.name}: {error}")
                continue
            wait_until_idle(server.pid)
            servers.append(server)
        for turn in turns:
            for server in rotated(servers, turn):
                try:
                    figures = sample(server, field, _CASE)
                except LoadError as error:
                    record.remark(f"{name}, {server.contestant.name}: {error}")
                    continue
                record.add(name, server.contestant.name, turn, **figures)
