"""One thing that an inspection found: where, what, why and how to fix it."""

import re
from typing import Literal, NamedTuple

from fcplug.errors import Problem

Severity = Literal["error", "warning", "note"]

_HINT = re.compile(r" \((did you mean '.*'\?)\)$")
_PLACE = re.compile(r", (?P<file>[^,\n]+):(?P<line>\d+)$")


class Finding(NamedTuple):
    """A problem, or something worth knowing, with its place.

    Attributes:
        severity: an ``error`` keeps a function from serving, a ``warning`` will surprise on FC, a
            ``note`` may be as it should be.
        rule: what was looked for, or the ``errorType`` that callers would get.
        line: counts from 1; 0 means the whole file.
        at: the dotted way to the value in ``functions.yaml``, empty at the top.
        fix: what to do, empty where ``what`` says it.
        source: the plugin that is at fault, and the line of its code if that is known.
        causes: the original errors' text, outermost first.
    """

    severity: Severity
    rule: str
    file: str
    line: int
    column: int
    at: str
    what: str
    fix: str = ""
    source: str = ""
    causes: tuple[str, ...] = ()

    @classmethod
    def of(cls, problem: Problem, severity: Severity, rule: str, fix: str = "") -> "Finding":
        """Return a finding at the place of a problem; a hint at its end is the fix, if none is."""
        if not fix and (hint := _HINT.search(problem.what)):
            problem, fix = problem._replace(what=problem.what[: hint.start()]), hint[1]
        return cls(severity, rule, *problem, fix)

    @property
    def code(self) -> tuple[str, int] | None:
        """The file and the line of the plugin's code that is at fault, None if unknown."""
        found = _PLACE.search(self.source)
        return (found["file"], int(found["line"])) if found else None
