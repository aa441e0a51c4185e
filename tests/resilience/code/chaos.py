"""Handlers that are good, slow, or the end of the process they run in."""

import ctypes
import os
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from fcplug import Context, hookimpl

KINDS: dict[str, type[BaseException]] = {
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
    "stop": StopIteration,
    "value": ValueError,
}


def echo(event: bytes, context: Context) -> bytes:
    """Give back what came."""
    return event


def size(event: bytes, context: Context) -> str:
    """Tell how much came, and nothing of it."""
    return str(len(event))


def large(event: bytes, context: Context) -> bytes:
    """Answer with as many bytes as the event says."""
    return bytes(int(event))


def flood(_environ: dict[str, Any], start_response: Callable[..., object]) -> Iterator[bytes]:
    """Answer web requests without an end."""
    start_response("200 OK", [])
    while True:
        yield bytes(64 * 1024)


def nap(event: bytes, context: Context) -> bytes:
    """Sleep so many seconds as the event says."""
    time.sleep(float(event))
    return event


def linger(event: bytes, context: Context) -> bytes:
    """Take a moment."""
    time.sleep(0.002)
    return event


def raising(event: bytes, context: Context) -> None:
    """Raise what the event says, with the caller's secret in it."""
    kind, _, token = event.decode().partition(" ")
    raise KINDS[kind](f"{token} with {context.credentials.access_key_secret}")


def _exit(_argument: str) -> None:
    os._exit(7)


def _segfault(_argument: str) -> None:
    ctypes.string_at(0)


def _hang(_argument: str) -> None:
    time.sleep(600)


def _hold_the_gil(_argument: str) -> None:
    ctypes.PyDLL(None).sleep(600)


def _pid(_argument: str) -> str:
    return str(os.getpid())


def _say(argument: str) -> str:
    token, seconds = argument.split()
    time.sleep(float(seconds))
    return token


ACTIONS: dict[str, Callable[[str], Any]] = {
    "exit": _exit,
    "segfault": _segfault,
    "hang": _hang,
    "gil": _hold_the_gil,
    "pid": _pid,
    "say": _say,
}


def act(event: bytes, context: Context) -> Any:
    """Do what the event says: an action and its argument."""
    action, _, argument = event.decode().partition(" ")
    return ACTIONS[action](argument)


class Versioned:
    """Answers with the version of the configuration that made it, and tells when it is stopped."""

    def __init__(self, version: int) -> None:
        self.version = version

    @hookimpl
    def initialize(self) -> None:
        """Be initialized, so that there is something to stop."""

    @hookimpl
    def invoke(self, event: bytes) -> str:
        """Answer with the version."""
        return str(self.version)

    @hookimpl
    def pre_stop(self) -> None:
        """Tell."""
        print(f"stopped {self.version} in {os.getpid()}")


class Stamp:
    """Middleware that adds the version it was made with."""

    def __init__(self, version: int) -> None:
        self.version = version

    @hookimpl(wrapper=True)
    def invoke(self, event: bytes) -> Generator[None, str, str]:
        """Add the version."""
        return f"{self.version} {(yield)}"
