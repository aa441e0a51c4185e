"""The lines of ``fcplug dev``: one for each step of the lifecycle and each call."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fcplug.platform.emulator import Emulator
from fcplug.platform.model import Happening, InstanceInfo, Invocation, LogLine
from fcplug.tools.terminal import Terminal, printable

_END = Happening("functions", "the end")
_NAME = 14  # columns of the longest function name that keeps the rows in line
_SHOWN_ERROR = 20  # lines of the last output of an instance that failed


class Lines:
    """Prints what happens; may be called by several threads."""

    def __init__(self, out: Terminal) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._steps: dict[str, float] = {}  # the moment of the last one printed, by instance
        self._begun: dict[str, float] = {}

    def say(self, text: str, style: str = "") -> None:
        """Print a line about the platform as a whole."""
        self._print((_line(text), style))

    def function(self, name: str, text: str, style: str = "") -> None:
        """Print a line about one function."""
        clock = time.strftime("%H:%M:%S", time.localtime(time.time()))  # the default lags behind
        self._print((f"{clock} ", "dim"), (f"{_line(name):{_NAME}} ", "bold"), (_line(text), style))

    def happening(self, happening: Happening) -> None:
        """Print what happened on the platform."""
        value = happening.value
        if isinstance(value, InstanceInfo):
            self._instance(value)
        elif isinstance(value, Invocation):
            self._invocation(value)
        elif isinstance(value, LogLine):
            self.function(value.function, f"| {value.text}")

    def _instance(self, info: InstanceInfo) -> None:
        """Print the steps of an instance that are new."""
        last = self._steps.get(info.id, 0.0)
        begun = self._begun.setdefault(info.id, info.steps[0][0] if info.steps else 0.0)
        for moment, step in info.steps:
            if moment <= last:
                continue
            self._steps[info.id] = moment
            after = f" after {_milliseconds(moment - begun)}" if moment > begun else ""
            self.function(info.function, f"{step}{after}  {info.id}", "dim")

    def _invocation(self, invocation: Invocation) -> None:
        """Print what came of a call, once it has ended."""
        outcome, call = invocation.outcome, invocation.call
        if outcome is None:
            return
        what = f"{call.method} {call.target}" if call.method else call.kind
        text = f"{what}: {outcome.status}"
        if outcome.duration_ms:  # else no instance could be called
            first = ", first call of its instance" if outcome.cold else ""
            text += f" in {outcome.duration_ms:.1f} ms{first}"
        for fact in (outcome.error_type, outcome.code):
            text += f", {fact}" if fact else ""
        self.function(call.function, f"{text}  {call.request_id}", _style(outcome.succeeded))
        if not outcome.succeeded:
            self.detail(outcome.message or outcome.body.decode("utf-8", "replace"))

    def detail(self, text: str) -> None:
        """Print the last lines of a longer text, indented."""
        lines: Sequence[str] = text.rstrip().splitlines()
        for line in lines[-_SHOWN_ERROR:]:
            self._print((f"    {_line(line)}", "error"))

    def _print(self, *parts: tuple[str, str]) -> None:
        with self._lock:
            self._out.print_line(*parts)


@contextmanager
def following(platform: Emulator, listener: Callable[[Happening], None]) -> Iterator[None]:
    """Call a function with everything that happens on a platform inside, in a thread of its own."""
    happenings = platform.subscribe()

    def follow() -> None:
        while (happening := happenings.get()) is not _END:
            listener(happening)

    thread = threading.Thread(target=follow, name="fcplug-follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        platform.unsubscribe(happenings)
        happenings.put(_END)
        thread.join()


def _line(text: str) -> str:
    """Return a text that is one line of a terminal, and no command to it."""
    return text if text.isprintable() else printable(text).replace("\n", "\\n")


def _style(succeeded: bool) -> str:
    return "good" if succeeded else "error"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
