"""Files of counts whose space is reserved before it is used.

``prometheus_client`` maps sparse files into memory. Where the disk is full, the kernel ends a
process that writes to such a page (SIGBUS). Here the space is asked for first. What gets none is
counted in the memory of the process, and no page shows it.
"""

# mypy: disable-error-code="no-untyped-call"
# prometheus_client types a part of itself only

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

_FIRST = 1 << 16  # bytes of a new file, as prometheus_client makes it
_ENTRY = 40  # bytes of an entry beside its key, at most

OnFull = Callable[[OSError], None]


class ReservedDict(MmapedDict):
    """Numbers by their keys, in a file as far as there is space.

    Args:
        filename: of the file, which may exist.
        on_full: called for each number that gets no space; it may raise.
    """

    def __init__(self, filename: str, on_full: OnFull) -> None:
        self._on_full = on_full
        self._in_memory: dict[str, tuple[float, float]] = {}
        self._has_file = False
        try:
            _make(Path(filename))
        except OSError as error:
            on_full(error)
            return
        super().__init__(filename)
        self._has_file = True

    def read_value(self, key: str) -> tuple[float, float]:
        """Return a number and its time; zeros for a new key."""
        if key in self._in_memory or not self._reserved(key):
            return self._in_memory.setdefault(key, (0.0, 0.0))
        value, timestamp = super().read_value(key)
        return value, timestamp

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Keep a number."""
        if key in self._in_memory or not self._reserved(key):
            self._in_memory[key] = (value, timestamp)
        else:
            super().write_value(key, value, timestamp)

    def close(self) -> None:
        """Close the file."""
        if self._has_file:
            super().close()
            self._has_file = False

    def _reserved(self, key: str) -> bool:
        if not self._has_file:
            return False
        if key in self._positions:
            return True
        capacity = self._capacity
        while self._used + len(key.encode()) + _ENTRY > capacity:
            capacity *= 2
        try:
            if capacity > self._capacity:
                os.posix_fallocate(self._f.fileno(), 0, capacity)
        except OSError as error:
            self._on_full(error)
            return False
        return True


def _make(path: Path) -> None:
    """Make a file with its space reserved; others never see it without."""
    if path.exists() and path.stat().st_size:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return
    fresh = path.with_suffix(".reserved")
    try:
        with fresh.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _FIRST)
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
