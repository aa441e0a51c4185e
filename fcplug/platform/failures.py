"""What Function Compute answers when a function does not: its codes, statuses and texts.

The statuses and texts are those of FC's pages about error codes, start-up errors and "Process
exited unexpectedly". A page that quotes only the beginning of a text is followed by our words.
"""

import errno
import json
import os
import shlex
import signal
from collections.abc import Mapping

from fcplug.errors import FcplugError, quantity
from fcplug.platform.model import FunctionConfig, Outcome

UNHANDLED = "UnhandledInvocationError"
INITIALIZATION = "InitializationError"


class StartFailed(FcplugError):  # noqa: N818 - it is caught, not reported
    """An instance cannot be started or initialized; ``outcome`` is what its calls get."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message or outcome.body.decode("utf-8", "replace"))
        self.outcome = outcome


def not_startable(function: FunctionConfig, error: OSError) -> Outcome:
    """Return what a start command gets that the system cannot run."""
    if not function.folder.is_dir():
        return _no_file(str(function.folder))
    command = function.command[0]
    path = function.folder / command
    if error.errno == errno.ENOENT and not ("/" in command and path.exists()):
        return _no_file(str(path) if "/" in command else command)
    # FC reports the error's number as if it were the exit code of a process
    return _exited(function, error.errno or 1, _start_advice(error.errno or 1))


def exited(function: FunctionConfig, code: int, log: str) -> Outcome:
    """Return what an instance gets whose process ended before it listened, also with code 0."""
    return _exited(function, 128 - code if code < 0 else code, log)


def _no_file(path: str) -> Outcome:
    return Outcome(
        status=412,
        code="CAFileNotFound",
        message="The function cannot be started. Failed to start function instance. "
        f"Error: the file {path} is not exist",
    )


def _exited(function: FunctionConfig, code: int, log: str) -> Outcome:
    command = shlex.join(function.command)
    return Outcome(
        status=412,
        code="CAExited",
        message=f"Function instance exited unexpectedly(code {code}, message:{_meaning(code)}) "
        f"with start command '{command}'.\nLogs:{log}",
    )


def _meaning(code: int) -> str:
    if code > 128:
        text = signal.strsignal(code - 128) if code - 128 < signal.NSIG else None
        return f"signal: {text.lower()}" if text else f"errno {code}"
    return os.strerror(code).lower()  # FC reads an exit code as an error number


def _start_advice(number: int) -> str:
    return {
        errno.EACCES: "the file is not executable: chmod 755",
        errno.ENOEXEC: "the file has no #! line, or is for another processor",
        errno.ENOENT: "the interpreter in its #! line does not exist, or the line ends in CR LF",
    }.get(number, "")


def never_listened(function: FunctionConfig, port: int, log: str) -> Outcome:
    """Return what an instance gets whose process runs, but does not listen in time."""
    return Outcome(
        status=412,
        code="FunctionNotStarted",
        message=f"Function instance health check failed on port {port} in "
        f"{quantity(function.startup_timeout, 'second')}.\nLogs:{log}",
    )


def unhealthy(port: int, seconds: int, why: str, log: str) -> Outcome:
    """Return what an instance gets whose first health checks by HTTP have failed."""
    return Outcome(
        status=412,
        code="FunctionNotStarted",
        message=f"Function instance health check failed on port {port} in "
        f"{quantity(seconds, 'second')} ({why}).\nLogs:{log}",
    )


def not_initialized(body: bytes, why: str) -> Outcome:
    """Return what a call gets whose initializer failed: its error document, or else ``why``."""
    return Outcome(error_type=INITIALIZATION, body=body if _names_error(body) else _document(why))


def _names_error(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, Mapping) and "errorMessage" in found


def timed_out(function: FunctionConfig, measured: str, *, web: bool) -> Outcome:
    """Return what a call gets that did not end in time."""
    what = f"Function time out after {quantity(function.timeout, 'second')} ({measured})"
    return _failed(_document(what, errorType="FunctionTimeoutError"), web=web)


def crashed(measured: str, *, web: bool) -> Outcome:
    """Return what a call gets whose process ended."""
    what = f"Process exited unexpectedly before completing request ({measured})"
    return _failed(_document(what), web=web)


def _failed(body: bytes, *, web: bool) -> Outcome:
    return Outcome(status=502 if web else 200, error_type=UNHANDLED, body=body)


def canceled(measured: str) -> Outcome:
    """Return what a call has come to whose client left before its answer was complete."""
    text = f"Invocation canceled by client ({measured})"
    return Outcome(status=499, code="ClientClosedRequest", message=text)


def bad_response(why: str) -> Outcome:
    """Return what a call gets whose answer FC cannot use."""
    return Outcome(
        status=502, code="BadResponse", message=f"the function's answer is invalid: {why}"
    )


def invalid_request(why: str) -> Outcome:
    """Return what a web request gets that cannot be passed on."""
    return Outcome(status=400, code="InvalidArgument", message=why)


def too_busy(function: FunctionConfig) -> Outcome:
    """Return what a call gets for which no instance became free."""
    return Outcome(
        status=429,
        code="ResourceExhausted",
        message=f"function '{function.name}' runs {quantity(function.max_instances, 'instance')} "
        f"with {quantity(function.instance_concurrency, 'call')} each, and none became free in "
        f"{quantity(function.timeout, 'second')}: raise max_instances or instance_concurrency",
    )


def unknown(name: str) -> Outcome:
    """Return what a call of an unknown function gets."""
    return Outcome(status=404, code="FunctionNotFound", message=f"function '{name}' does not exist")


def closed() -> Outcome:
    """Return what a call gets that comes while the platform ends."""
    return Outcome(status=503, code="ServiceUnavailable", message="the platform is shutting down")


def _document(message: str, **more: str) -> bytes:
    return json.dumps({"errorMessage": message, **more}).encode()
