"""Web calls of fcplug beside the same application on waitress, and what a worker adds to a call."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from codefolder import CodeFolder, config
from contestants import Contestant
from family import wait_until_idle
from load import LoadError
from request import Request
from running import ServerError, running
from samples import Record, rotated
from throughput import Case, Field, sample

PAIRS = {
    "bare WSGI": ("web-wsgi", "hello-waitress"),
    "Flask": ("web-flask", "hello-flask"),
    "HTTP event of a handler, to Falcon's hello": ("web-event", "hello-falcon"),
}
"""What is called, by fcplug and by a peer on waitress."""

CASES = (Case(1), Case(16))
ISOLATION = "isolation"
THREAD, PROCESS = "thread", "process"
_RUNTIME = "version: 1\nruntime:\n  access_log: false\n"  # the peers write two lines, too
_REQUEST = Request(path="/hello", body=b"")
_KEYS = {"web-wsgi": "wsgi: hello:app", "web-flask": "wsgi: flask_hello:app"}
_MODULES = {"hello-waitress": "hello", "hello-flask": "flask_hello", "hello-falcon": "falcon_hello"}
_PACKAGES = {"hello-flask": ("Flask", "waitress")}


def case_name(case: Case) -> str:
    """Return the name of a case of web calls."""
    return f"web {case.name}"


def contestants(code: CodeFolder) -> list[Contestant]:
    """Return fcplug with each application, and the peers; the folder needs Flask."""
    ours = [
        code.contestant(
            name,
            name,
            f"{_RUNTIME}functions:\n  bench:\n    {_KEYS.get(name, 'handler: index.handle')}\n",
        )
        for name, _ in PAIRS.values()
    ]
    theirs = [
        Contestant(
            name,
            name,
            ("{bin}/python", "hello_waitress.py", "{port}", module),
            _PACKAGES.get(name, ("falcon", "waitress")),
        )
        for name, module in _MODULES.items()
    ]
    return [*ours, *theirs]


def isolated(code: CodeFolder) -> list[Contestant]:
    """Return fcplug with its function in the process, and in a worker."""
    worker = f"{config()}    isolation: process\n"
    return [
        code.contestant(THREAD, "isolation: thread", config()),
        code.contestant(PROCESS, "isolation: process", worker),
    ]


def measure(record: Record, code: CodeFolder, turns: range, field: Field) -> None:
    """Measure web calls in rounds, then calls of a worker at one connection."""
    web = replace(field, request=_REQUEST)
    _measure(record, {case_name(case): case for case in CASES}, contestants(code), turns, web)
    _measure(record, {ISOLATION: Case(1)}, isolated(code), turns, field)


def _measure(
    record: Record,
    cases: Mapping[str, Case],
    who: Sequence[Contestant],
    turns: range,
    field: Field,
) -> None:
    with contextlib.ExitStack() as stack:
        servers = []
        for each in who:
            try:
                started = running(each, field.request, field.processors.server)
                servers.append(stack.enter_context(started))
                wait_until_idle(servers[-1].pid)
            except ServerError as error:
                record.remark(f"{each.name}: {error}")
        for turn in turns:
            for name, case in cases.items():
                for server in rotated(servers, turn):
                    try:
                        figures = sample(server, field, case)
                    except LoadError as error:
                        record.remark(f"{name}, {server.contestant.name}: {error}")
                        continue
                    record.add(name, server.contestant.name, turn, **figures)
