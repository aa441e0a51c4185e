"""Notices edits of a code folder, for ``fcplug dev``."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import watchfiles

log = logging.getLogger("fcplug.dev")

_CODE = {
    ".cjs", ".css", ".env", ".go", ".html", ".ini", ".j2", ".java", ".js", ".jsx", ".mjs", ".php",
    ".pl", ".py", ".rb", ".rs", ".sh", ".toml", ".ts", ".tsx", ".yaml", ".yml",
}  # fmt: skip


class Watcher(threading.Thread):
    """Reports the code files that change in folders, until it is stopped.

    Args:
        folders: with all that is in them, but for what tools keep there, such as ``.git``.
        changed: is called with the paths; edits of the same moment come together.
    """

    def __init__(self, folders: Sequence[Path], changed: Callable[[Sequence[str]], None]) -> None:
        super().__init__(name="fcplug-watch", daemon=True)
        self._folders = folders
        self._changed = changed
        self._ended = threading.Event()
        self._ready = threading.Event()

    def __enter__(self) -> "Watcher":
        self.start()
        self._ready.wait()  # an edit that comes after this call counts
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Watch. What keeps it from that is logged."""
        try:
            self._watch()
        except Exception as error:  # such as no room for a watch left in the kernel
            log.error("edits will not be noticed: %s", error)
        self._ready.set()

    def _watch(self) -> None:
        usual = watchfiles.DefaultFilter()
        for changes in watchfiles.watch(
            *self._folders,
            watch_filter=lambda change, path: _is_code(path) and usual(change, path),
            stop_event=self._ended,
            debounce=300,
            rust_timeout=200,
            yield_on_timeout=True,  # the first time says that it watches
            raise_interrupt=False,
        ):
            self._ready.set()
            if changes:
                self._changed(sorted({path for _, path in changes}))


def _is_code(path: str) -> bool:
    name = os.path.basename(path)
    return name == "bootstrap" or os.path.splitext(name)[1] in _CODE
