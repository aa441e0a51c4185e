"""An instance of ``./bootstrap`` with the handlers of ``code/chaos.py``."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from resilience.callers import Tail
from support.deployed import Instance, deploy, start

CHAOS = (Path(__file__).parent / "code" / "chaos.py").read_text("utf-8")


@contextlib.contextmanager
def running(config: str, *, loaded: bool = True) -> Iterator[tuple[Instance, Path]]:
    """Start an instance over a configuration; yield it and its folder.

    Waits until its functions are loaded, or only until it listens.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = deploy(Path(name), config, {"chaos.py": CHAOS})
        with start(folder, loaded=loaded) as instance:
            yield instance, folder


class Editor:
    """Edits the configuration of a running instance, and reads in its log what came of it."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.file = folder / "config" / "functions.yaml"
        self._instance = instance
        self._tail = Tail(folder)

    def edit(self, text: str | bytes) -> bool:
        """Write a configuration, let the instance reload, return whether it was accepted."""
        aside = self.file.with_suffix(".new")
        aside.write_bytes(text.encode() if isinstance(text, str) else text)
        self.put(aside)
        return self.look()

    def put(self, aside: Path) -> None:
        """Rename a file over the configuration, as one that was written long ago."""
        long_ago = time.time() - 10
        os.utime(aside, (long_ago, long_ago))
        aside.replace(self.file)

    def look(self) -> bool:
        """Let the instance reload its configuration; return whether it accepted the edit."""
        self._instance.process.send_signal(signal.SIGHUP)
        reported = r"the configuration is reloaded|the running configuration stays"
        return "reloaded" in self._tail.wait_for(reported)[0]
