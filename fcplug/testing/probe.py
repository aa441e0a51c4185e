"""What another process does to try a handler: the other side of ``process_rules``."""

import base64
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from fcplug.plugins import importer
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.result import summary
from fcplug.testing.runner import Runner


def main() -> None:
    """Read a request from standard input, and report on the descriptor that is the argument."""
    with open(int(sys.argv[1]), "w", encoding="utf-8") as report:
        os.set_inheritable(report.fileno(), False)
        request = json.loads(sys.stdin.readline())
        sys.path[:] = request["path"]

        def tell(found: Mapping[str, Any]) -> None:
            report.write(json.dumps(found) + "\n")
            report.flush()

        if request["rule"] == "import":
            tell(_import(request["handler"]))
        else:
            _freeze(request, tell)
        os._exit(0)


def _import(handler: str) -> dict[str, Any]:
    before = _look()
    found: dict[str, Any] = {}
    try:
        importer.resolve(EntryPointIndex(), importer.HANDLERS, handler)
    except BaseException as error:
        found["error"] = summary(error)
    after = _look()
    if sys.__stdout__:
        sys.__stdout__.flush()
    return {**found, **{key: _difference(before[key], after[key]) for key in before}}


def _look() -> dict[str, Any]:
    root = logging.getLogger()
    return {
        "variables": dict(os.environ),
        "logging": {
            "handlers of the root logger": [*map(repr, root.handlers)],
            "level of the root logger": root.level,
            "logging.disable": logging.root.manager.disable,
            "logger class": repr(logging.getLoggerClass()),
            "record factory": repr(logging.getLogRecordFactory()),
        },
        "folder": {os.getcwd(): True},
        "signals": {sign.name: repr(signal.getsignal(sign)) for sign in signal.Signals},
        "streams": {"sys.stdout": id(sys.stdout), "sys.stderr": id(sys.stderr)},
    }


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the names of what differs: values may be secrets."""
    names = [name for name in after if name not in before or before[name] != after[name]]
    names += [name for name in before if name not in after and len(before) > 1]
    return ", ".join(names)


def _freeze(request: Mapping[str, Any], tell: Any) -> None:
    events = [base64.b64decode(event) for event in request["events"]]
    with Runner() as runner:

        def call() -> dict[str, Any]:
            answer = runner.invoke(request["handler"], events[0], **request["options"])
            return {} if answer.error is None else {"error": summary(answer.error)}

        first = call()
        runner.pre_freeze()
        tell(first)
        sys.stdin.readline()  # frozen, and thawed again
        tell(call())
