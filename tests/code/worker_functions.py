"""What handlers do to the process they run in; an event is an action's name and its arguments."""

import contextlib
import contextvars
import ctypes
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fcplug import Context, hookimpl

INHERITED = range(3, 1024)  # descriptors that a handler may find open
mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")
kept: list[bytes] = []


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def echo(event: bytes, context: Context) -> bytes:
    return event


def pid(argument: str) -> str:
    return str(os.getpid())


def exit_hard(argument: str) -> None:
    os._exit(int(argument))


def segfault(argument: str) -> None:
    ctypes.string_at(0)


def abort(argument: str) -> None:
    os.abort()


def kill_itself(argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(argument: str) -> str:
    time.sleep(float(argument))
    return str(os.getpid())


def wait_for(argument: str) -> str:
    while not Path(argument).exists():
        time.sleep(0.01)
    return str(os.getpid())


def say(argument: str) -> str:
    token, seconds = argument.split()
    time.sleep(float(seconds))
    return token


def note(argument: str) -> None:
    text, _, file = argument.partition(" ")
    with open(file, "a") as notes:
        notes.write(text)


def sleep_and_tell(argument: str) -> str:
    Path(argument).write_text(str(os.getpid()))
    time.sleep(60)
    return ""


def hold_the_gil(argument: str) -> None:
    ctypes.PyDLL(None).sleep(1000)


def catastrophic_regex(argument: str) -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


def allocate(argument: str) -> str:
    hoard = []
    for _ in range(int(argument)):
        hoard.append(bytearray(1024 * 1024))
    return str(len(hoard))


def hoard_small_things(argument: str) -> None:
    hoard: list[Any] = []
    while True:
        hoard.append([None])


def write_garbage(argument: str) -> str:
    for fd in INHERITED:
        try:
            os.write(fd, b"\x06garbage that is no frame\n" * 10)
        except OSError:
            continue
    return "wrote"


def forge_a_result(argument: str) -> str:
    import struct  # noqa: PLC0415

    for fd in INHERITED:
        try:
            os.write(fd, struct.pack("!BIIQ", 6, int(argument), 0, 1 << 50))
        except OSError:
            continue
    return "forged"


def forge_an_error(argument: str) -> str:
    """Send an error report of another structure than that of a worker, for a call's number."""
    import struct  # noqa: PLC0415

    for fd in INHERITED:
        with contextlib.suppress(OSError):
            os.write(fd, struct.pack("!BIIQ", 10, int(argument), 2, 0) + b"{}")
    return "forged"


def close_descriptors(argument: str) -> str:
    os.closerange(3, 1024)
    return "closed"


def fork_and_leave(argument: str) -> str:
    child = os.fork()
    if child == 0:
        time.sleep(60)
    return str(child)


def fork_and_answer_twice(argument: str) -> str:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return f"by {'parent' if child else 'child'}"


def spawn_and_die(argument: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    Path(argument).write_text(str(child.pid))
    os._exit(9)


def wreck_the_process(argument: str) -> str:
    os.chdir("/")
    os.environ["WRECKED"] = "yes"
    os.umask(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    socket.setdefaulttimeout(0.001)
    logging.disable(logging.CRITICAL)
    threading.excepthook = None  # type: ignore[assignment]
    sys.stdout = None
    return os.getcwd()


def print_things(argument: str) -> str:
    print("printed")
    logging.getLogger("shop").warning("logged")
    subprocess.run(["echo", "by a child"], check=True)
    os.write(1, b"\xff\x00 raw\n")
    print("unfinished", end="")
    return "done"


def answer_much(argument: str) -> bytes:
    return bytes(int(argument))


def set_mark(argument: str) -> str:
    before = mark.get()
    mark.set(argument)
    return before


def alarm_later(argument: str) -> str:
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("late"))
    signal.setitimer(signal.ITIMER_REAL, float(argument))
    return "armed"


def leave_a_thread(argument: str) -> str:
    threading.Thread(target=time.sleep, args=(60,)).start()
    return "left"


def fail(argument: str) -> None:
    def deeper() -> None:
        raise ValueError(f"no such luck: {argument}")

    try:
        os.environ["MISSING"]
    except KeyError:
        deeper()


def fail_in_a_group(argument: str) -> None:
    raise BaseExceptionGroup("several", [ValueError("one"), KeyError("two")])  # type: ignore[name-defined,unused-ignore]  # noqa: F821


def fail_unprintably(argument: str) -> None:
    raise Unprintable


def fail_with_a_surrogate(argument: str) -> None:
    raise OSError("half \ud83d a character")


def fail_at_length(argument: str) -> None:
    raise ValueError("x" * int(argument))


def recurse(argument: str) -> None:
    recurse(argument)


def leak_the_keys(argument: str) -> None:
    raise ValueError(f"key {argument}")


def leak_a_key_where_the_text_is_cut(argument: str) -> None:
    raise ValueError("x" * (16_000 - len(argument) // 2) + argument + "x" * 100)


EXITS: dict[str, BaseException] = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit("gone"),
    "StopIteration": StopIteration(7),
    "MemoryError": MemoryError(),
    "TimeoutError": TimeoutError("not ours"),
    "EOFError": EOFError("not ours"),
    "ConnectionResetError": ConnectionResetError(104, "not ours"),
    "BaseException": BaseException("bare"),
}


def fail_as(argument: str) -> None:
    raise EXITS[argument]


def unserializable(argument: str) -> dict[str, Any]:
    return {"set": {1}}


ACTIONS: dict[str, Callable[[str], Any]] = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name != "echo"
}


def act(event: bytes, context: Context) -> Any:
    action, _, argument = event.decode().partition(" ")
    return ACTIONS[action](argument)


def whoami(event: bytes, context: Context) -> dict[str, Any]:
    return {
        **json.loads(context.to_json()),
        "settings": dict(context.settings),
        "left": context.deadline and round(context.remaining_time()),
        "retries": context.retry_count,
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith("ALIBABA")
        },
        "arguments": Path("/proc/self/cmdline").read_text(),
    }


class Phases:
    """Notes every hook that ran, in a file, with the process it ran in."""

    def __init__(self, notes: str, hang: str = "", die: str = "") -> None:
        self.notes, self.hang, self.die = Path(notes), hang, die

    def note(self, what: str) -> None:
        with self.notes.open("a") as file:
            file.write(f"{what} {os.getpid()}\n")
        if what == self.die:
            os._exit(5)
        if what == self.hang:
            time.sleep(60)

    @hookimpl
    def initialize(self, context: Context) -> dict[str, str]:
        self.note("initialize")
        return {"ready": context.request_id}

    @hookimpl
    def invoke(self, event: bytes, context: Context) -> Any:
        self.note("invoke")
        return act(event, context) if event else b""

    @hookimpl
    def pre_freeze(self, context: Context) -> None:
        self.note("pre_freeze")

    @hookimpl
    def pre_stop(self, context: Context) -> None:
        self.note("pre_stop")


class FailsOnce(Phases):
    """Its first initialization in a process raises."""

    tried = False

    @hookimpl
    def initialize(self, context: Context) -> dict[str, str]:
        if not self.tried:
            self.tried = True
            raise OSError("not yet")
        return {"ready": ""}


class Outer:
    """Middleware that marks what comes back."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    @hookimpl(wrapper=True)
    def invoke(self, event: bytes, context: Context) -> Any:
        result = yield
        return f"{self.mark}({result})"


class Inner(Outer):
    """The same under another name."""


async def answer_later(event: bytes, context: Context) -> str:
    import asyncio  # noqa: PLC0415

    await asyncio.sleep(0.01)
    return f"{context.request_id} in {os.getpid()}"
