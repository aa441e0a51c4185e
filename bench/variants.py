"""What more of one thing costs fcplug an invocation: functions configured, middleware."""

import contextlib
from collections.abc import Sequence

from codefolder import CodeFolder, config, everywhere
from contestants import Contestant
from family import settle
from load import LoadError
from running import ServerError, running
from samples import Record, rotated
from throughput import Case, Field, sample

FUNCTIONS = "functions configured"
MIDDLEWARE = "middleware"
_CASE = Case(16)


def functions(code: CodeFolder, counts: Sequence[int]) -> list[Contestant]:
    """Return fcplug with so many functions, all of them loaded, and one called."""
    return [
        everywhere(code.contestant(f"{n}", f"{n:,} functions", config(functions=n))) for n in counts
    ]


def middleware(code: CodeFolder, counts: Sequence[int]) -> list[Contestant]:
    """Return fcplug with so many middleware around its function."""
    return [code.contestant(f"{n}", f"{n} middleware", config(middleware=n)) for n in counts]


def measure(
    record: Record, name: str, contestants: Sequence[Contestant], turns: range, field: Field
) -> None:
    """Start them all, then take turns: the rounds are many, since differences are small."""
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
            settle(server.pid)
            servers.append(server)
        for turn in turns:
            for server in rotated(servers, turn):
                try:
                    figures = sample(server, field, _CASE)
                except LoadError as error:
                    record.remark(f"{name}, {server.contestant.name}: {error}")
                    continue
                record.add(name, server.contestant.name, turn, **figures)
