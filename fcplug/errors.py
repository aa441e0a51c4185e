"""The errors of fcplug, in one tree.

::

    FcplugError
    ├── ConfigError          functions.yaml is wrong; holds every problem found
    ├── UnknownFunction      no function answers the request
    ├── PluginError          a plugin cannot be loaded, or does not fit its function
    ├── ConcurrencyExceeded  a function already runs as many invocations as it may
    ├── FunctionTimeoutError an invocation did not end by its deadline
    ├── RemoteError          a plugin raised an error in a worker process
    ├── WorkerDied           a worker process ended while it served a call
    ├── WorkerUnavailable    a worker process cannot be started
    ├── Unauthorized         a caller outside FC has not the credentials of runtime.auth
    ├── Forbidden            a caller outside FC asked for a phase that only FC may run
    ├── EventRequestError    an event arrived for a function that answers only web requests
    ├── InvalidEvent         an event does not fit the type that its handler asks for
    ├── InvalidResult        the result of a handler cannot be written as JSON
    ├── InvalidResponse      the response of a web function cannot be sent
    ├── LifespanFailed       an ASGI application's startup or shutdown failed
    ├── ToolsMissing         a command needs packages of an extra, such as fcplug[tools]
    ├── OutputError          a file cannot be written
    └── BindError            the listening socket cannot be opened

Each error holds its facts. Its text says where, what and the likely fix.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from fcplug import protocol

_MAX_CHARS = 1000  # of the text of a problem


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean '...'?)`` when a known word is close, else an empty string."""
    import difflib  # 3 ms that only an error costs  # noqa: PLC0415

    # with limits: any caller can ask for unknown functions, as often as it likes
    close = difflib.get_close_matches(word[:100], list(islice(known, 1000)), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def listing(names: Iterable[str], most: int = 20) -> str:
    """Return the first ``most`` names in order, with commas, and the number of the others."""
    names = sorted(names)
    shown = ", ".join(names[:most]) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _enumeration(names: Sequence[str]) -> str:
    """Return names as a sentence has them: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def quantity(count: float, noun: str) -> str:
    """Return a number with its noun, in the plural if it is not 1."""
    return f"{count:g} {noun}" if count == 1 else f"{count:g} {noun}s"


class FcplugError(Exception):
    """Base of all errors that fcplug raises on purpose.

    Attributes:
        kind: the ``errorType``, if it is not the name of the class.
        log_text: the text for the log, if the error was raised in another process.
    """

    kind = ""
    log_text = ""

    @property
    def error_type(self) -> str:
        """The ``errorType`` of the error document."""
        return self.kind or type(self).__name__

    @property
    def causes(self) -> Sequence[str | Sequence[str]]:
        """The text of the original errors: the flat ``stackTrace`` of FC's load errors."""
        return ()


class Problem(NamedTuple):
    """One problem of a configuration file.

    Lines and columns count from 1; line 0 means the whole file. ``at`` is the dotted path of the
    value, empty at the top.
    """

    file: str
    line: int
    column: int
    at: str
    what: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{where}: {self.at}: {self.what}" if self.at else f"{where}: {self.what}"
        if len(text) > _MAX_CHARS:
            text = f"{text[:_MAX_CHARS]}... ({len(text)} characters)"
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)  # keep it on one line


class ConfigError(FcplugError):
    """The configuration is wrong: all problems in the order of the file, then advice."""

    def __init__(self, problems: Iterable[Problem], advice: str = "") -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        self.advice = advice
        super().__init__("\n".join(filter(None, [*map(str, self.problems), advice])))


class UnknownFunction(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """No function answers the request."""

    def __init__(self, name: str, handler: str, known: Iterable[str]) -> None:
        known = list(known)
        asked = f"the request names no function ({protocol.FUNCTION_NAME}) and no default is set"
        if name or handler:
            asked = f"no function {name or handler!a}{did_you_mean(name or handler, known)}"
        super().__init__(f"{asked}; functions.yaml knows: {listing(known)}")


class PluginError(FcplugError):
    """A plugin cannot be loaded, or does not fit its function.

    ``kind`` is the ``errorType``: FC's own for code that cannot be loaded (ImportModuleError,
    UserCodeSyntaxError, UserCodeError, HandlerNotFound, InvalidHandleName), else one of
    PluginNotFound, PluginAmbiguous, PluginInvalid and SettingsInvalid.

    Attributes:
        problems: those of functions.yaml that ``what`` names, each with its place.
    """

    def __init__(self, kind: str, what: str, *, fix: str = "", causes: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.problems: Sequence[Problem] = ()
        self.kind = kind
        self.what = what
        self.fix = fix
        self.where = ""
        self._causes = causes

    def located(self, where: str) -> "PluginError":
        """Return this error with its location: the entry point, package or line of the plugin."""
        self.where = where
        return self

    @property
    def causes(self) -> Sequence[str]:
        """The text of the original errors, the outermost first."""
        return self._causes

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  in:  {self.where}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class ConcurrencyExceeded(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A function already runs as many invocations as its ``concurrency`` allows.

    ``waiting`` more wait in the queue. ``abandoned`` is how many were abandoned at their deadline
    and still run, if these are the reason: each keeps its permit until it has ended.
    """

    def __init__(self, function: str, limit: int, *, waiting: int = 0, abandoned: int = 0) -> None:
        if abandoned:
            which = "were abandoned at their deadline and still run"
            if abandoned == 1:
                which = "was abandoned at its deadline and still runs"
            super().__init__(
                f"function '{function}' is rejected: {abandoned} of its invocations {which}; call "
                "again when one has ended, and set a timeout on what the handler waits for"
            )
            return
        line = f", and {waiting} more {'waits' if waiting == 1 else 'wait'}" if waiting else ""
        super().__init__(
            f"function '{function}' already runs {quantity(limit, 'invocation')}, its concurrency "
            f"in functions.yaml{line}: call again later, or raise it"
        )


class FunctionTimeoutError(FcplugError):
    """An invocation did not end by its deadline. The name is FC's.

    ``seconds`` is how long its caller waited, ``then`` what happens to the invocation.
    """

    def __init__(self, function: str, seconds: float, then: str) -> None:
        super().__init__(
            f"function '{function}' timed out after {quantity(round(seconds, 2), 'second')}: {then}"
        )


class RemoteError(FcplugError):
    """An error that a plugin raised in a worker process, reported as if raised in this one."""

    def __init__(
        self, kind: str, message: str, trace: Sequence[str | Sequence[str]], log_text: str
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.log_text = log_text
        self._trace = trace

    @property
    def causes(self) -> Sequence[str | Sequence[str]]:
        """The ``stackTrace`` in FC's format."""
        return self._trace


class WorkerDied(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A worker process ended, or was killed, while it served a call."""

    def __init__(self, function: str, pid: int, how: str) -> None:
        super().__init__(f"worker {pid} of function '{function}' {how}")


class WorkerUnavailable(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A worker process cannot be started."""

    def __init__(self, function: str, why: str, fix: str) -> None:
        super().__init__(f"function '{function}' has no worker: {why}\n  fix: {fix}")


class Unauthorized(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A caller outside FC does not have the credentials that ``runtime.auth`` requires."""


class Forbidden(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """A caller outside Function Compute asked for a phase that only the platform may run."""

    def __init__(self, phase: str) -> None:
        super().__init__(
            f"only Function Compute may call {phase}; elsewhere set "
            "runtime.trust_callers: true in functions.yaml to let callers run lifecycle hooks"
        )


class EventRequestError(FcplugError):
    """An event arrived for a function that answers only web requests."""

    def __init__(self, function: str) -> None:
        super().__init__(
            f"function '{function}' answers web requests, but this is an event: send an HTTP "
            "request to its own path, or give the function a handler; if its application has "
            f"a route for {protocol.Phase.INVOKE.path}, give it phases: app"
        )


class InvalidEvent(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """An event does not fit the type that its handler annotates."""


class InvalidResult(FcplugError):  # noqa: N818 - named as InvalidEvent is
    """A handler's result is not JSON; ``kind`` is the class of Python's error, as on FC."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


class InvalidResponse(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """The response of a web function cannot be sent."""


class LifespanFailed(FcplugError):  # noqa: N818 - the name is the errorType that callers read
    """An ASGI application reported that its startup or shutdown failed."""

    def __init__(self, phase: str, why: str) -> None:
        super().__init__(f"the application's {phase} failed{why and ': '}{why}")


class ToolsMissing(FcplugError):  # noqa: N818 - it is reported, not caught
    """A command needs packages that are not installed: those of an extra of fcplug."""

    def __init__(self, command: str, packages: Sequence[str], extra: str = "tools") -> None:
        import shlex  # noqa: PLC0415 - an error path only

        install = shlex.join([sys.executable, "-m", "pip", "install", f"fcplug[{extra}]"])
        super().__init__(f"{command} needs {_enumeration(packages)}: {install}")


class OutputError(FcplugError):
    """A file cannot be written."""

    def __init__(self, file: str, what: str, fix: str = "") -> None:
        super().__init__(f"{file}: {what}{fix and ': '}{fix}")


class BindError(FcplugError):
    """The listening socket cannot be opened."""
