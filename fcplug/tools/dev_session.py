"""One run of ``fcplug dev``: the platform, its API, edits, and the end."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from fcplug.errors import BindError, FcplugError, listing
from fcplug.platform.api import ApiServer, create_app
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.emulator import Emulator
from fcplug.tools import dev_console, exit_code
from fcplug.tools.dev_folder import Claim
from fcplug.tools.dev_functions import Functions
from fcplug.tools.dev_lines import Lines, following
from fcplug.tools.dev_triggers import ShownTriggers

if TYPE_CHECKING:
    from fcplug.console.service import Console
    from fcplug.tools.dev_watch import Watcher

_SHOWN = 3  # changed files that are named
_TURN = 0.1  # seconds


class PortError(FcplugError):
    """The port of the API cannot be had."""


class Settings(NamedTuple):
    """What a session is run with beside the functions.

    Attributes:
        console: opens the console.
        keys: secrets by access key id, of which one must sign each request; with none, the API is
            open to this machine.
        buckets: the folder of each bucket.
    """

    console: dev_console.Open
    keys: Mapping[str, str]
    buckets: Mapping[str, Path]


class Session:
    """Runs the functions of a folder until a stop signal.

    Args:
        read: returns the functions; is called again after each edit.
        lines: where everything is printed.
        settings: what it is run with beside the functions.
    """

    def __init__(
        self,
        read: Callable[[], Functions],
        lines: Lines,
        settings: Settings,
    ) -> None:
        self._read = read
        self._open_console = settings.console
        self._console: Console | None = None
        self._keys = dict(settings.keys)
        self._lines = lines
        self._buckets = settings.buckets
        self._triggers: ShownTriggers | None = None
        self._signal = 0
        self._known: Sequence[str] = ()  # the mistakes of the functions that serve
        self._reported: Sequence[str] = ()  # the mistakes that were printed last

    def run(self, port: int, *, reload: bool) -> int:
        """Serve the API on a port, 0 for any, until SIGINT or SIGTERM; return the exit code.

        Raises:
            ConsoleError: the port of the console is in use, or not ours to use.
            ConfigError: the configuration is missing or has mistakes.
            FolderError: another platform runs over the folder.
            PortError: the port is in use, or not ours to use.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        functions = self._read()
        self._known = functions.mistakes
        self._report(functions.mistakes)
        with ExitStack() as stack:
            claim = Claim(functions.folder)
            stack.callback(claim.close)
            platform = Emulator(functions.configs.values())
            stack.enter_context(following(platform, self._lines.happening))
            stack.callback(platform.close)
            queue = AsyncQueue(platform, claim.queue)
            stack.callback(queue.close)
            own = ("", "")
            if self._keys:  # one more, for the commands of this user
                own = (f"fcplug-{secrets.token_hex(8)}", secrets.token_urlsafe(32))
                self._keys[own[0]] = own[1]
            server = _listen(platform, queue, port, self._keys)
            stack.callback(server.close)
            self._console = self._open_console(platform, queue, functions.file)
            stack.callback(self._console.close)
            claim.announce(server.port, own)
            self._triggers = stack.enter_context(ShownTriggers(queue, self._buckets, self._lines))
            self._triggers.replace(functions.configs.values())
            if reload:
                stack.enter_context(self._watcher(functions, platform))
            names = listing(functions.configs)
            places = f"http://127.0.0.1:{server.port}, console: {self._console.url}"
            self._lines.say(f"fcplug dev: {places}, functions: {names}")
            self._wait_for_signal()
            self._lines.say("ending")
        self._lines.say("ended")
        return exit_code.INTERRUPTED if self._signal == signal.SIGINT else exit_code.FINE

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number

    def _wait_for_signal(self) -> None:
        """Sleep in short turns until a signal has come.

        A wait without end may miss one: it may begin just after the signal, and a signal that
        another thread gets does not wake it. The handler runs in this thread: it takes no lock.
        """
        while not self._signal:
            time.sleep(_TURN)

    def _watcher(self, functions: Functions, platform: Emulator) -> "Watcher":
        from fcplug.tools.dev_watch import Watcher  # noqa: PLC0415 - it needs watchfiles

        folders = {functions.folder}
        if functions.file:
            folders.add(Path(functions.file).resolve().parent)
        return Watcher(sorted(folders), lambda paths: self._edited(paths, functions, platform))

    def _edited(self, paths: Sequence[str], before: Functions, platform: Emulator) -> None:
        """Take an edit over, unless it has mistakes."""
        if self._console is not None:
            self._console.edited()
        shown = [os.path.relpath(path, before.folder) for path in paths]
        self._lines.say(f"changed: {listing(shown, _SHOWN)}")
        try:
            functions = self._read()
            mistakes = functions.mistakes
        except FcplugError as error:
            mistakes = str(error).splitlines()
        is_new = self._report(mistakes)
        platform.keeps_idle = bool(set(mistakes) - set(self._known))
        if platform.keeps_idle:
            if is_new:
                self._lines.say("the last good functions serve on", "warning")
            return
        self._known = mistakes
        platform.replace(functions.configs.values())
        self._lines.say("the next calls get new instances")
        if self._triggers:
            self._triggers.replace(functions.configs.values())

    def _report(self, mistakes: Sequence[str]) -> bool:
        """Print mistakes that have not just been printed; return whether there are any new ones."""
        new = tuple(mistakes) != tuple(self._reported)
        self._reported = mistakes
        if not new or not mistakes:
            return False
        self._lines.say("there are mistakes; 'fcplug check' shows each with its line:", "error")
        for mistake in mistakes:
            self._lines.detail(mistake)
        return True


def _listen(platform: Emulator, queue: AsyncQueue, port: int, keys: Mapping[str, str]) -> ApiServer:
    try:
        return ApiServer(create_app(platform, queue, keys), port)
    except BindError as error:
        raise PortError(f"{error}\n  fix: --port {port + 1}, or --port 0 for any") from None
