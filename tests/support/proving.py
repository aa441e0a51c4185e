"""The conformance table, proved against something that answers."""

import os
import re
from pathlib import Path
from typing import Protocol

from support.conformance import BROKEN, PAGES, Call, Row
from support.deployed import CODE, Answer, Instance

MODULE = "conformance_functions.py"
FILES = {MODULE: (CODE / MODULE).read_text(), **PAGES, **BROKEN}


class Target(Protocol):
    """Something the table can be run against."""

    code: Path

    def send(self, call: Call) -> Answer: ...

    @property
    def log(self) -> str: ...


class OverSocket:
    """The instance that bootstrap started."""

    def __init__(self, code: Path, instance: Instance) -> None:
        self.code = code
        self._instance = instance

    @property
    def log(self) -> str:
        return self._instance.log

    def send(self, call: Call) -> Answer:
        return self._instance.call(call.method, call.path, call.body, call.headers)


def prove(row: Row, target: Target) -> None:
    for call in row.calls:
        before = len(target.log)
        answer = target.send(call)
        body = answer.body.replace(os.fsencode(target.code), b"CODE")
        log = target.log[before:].replace(str(target.code), "CODE")
        assert answer.status == call.status, body
        for name, value in call.fields.items():
            assert answer.headers.get(name) == value, name
        if not call.fields and call.path != "/health":
            assert answer.headers["x-fc-status"] == str(call.status)  # items 32, 33
            assert answer.headers["content-type"] == (
                "application/octet-stream" if call.status == 200 else "application/json"
            )
        if not call.fields and call.method != "HEAD":
            assert answer.headers["content-length"] == str(len(answer.body))  # item 37
        if call.answer is not None:
            assert body == call.answer
        for text in call.holds:
            assert text in body.decode()
        for text in call.lacks:
            assert text not in body.decode() + log
        if call.log is not None:
            assert re.fullmatch(pattern_of(call.log), untimed(log)), log


def untimed(log: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", log)


def pattern_of(lines: tuple[str, ...]) -> str:
    """Return the pattern of a log; ``...`` alone is any lines, at the end of one its rest."""
    pattern = ""
    for line in lines:
        if line == "...":
            pattern += "(?:.*\n)*?"
        elif line.endswith("..."):
            pattern += re.escape(line.removesuffix("...")) + ".*\n"
        else:
            pattern += re.escape(line) + "\n"
    return pattern
