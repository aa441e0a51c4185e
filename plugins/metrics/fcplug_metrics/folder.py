"""The folder in which several processes keep their counts, as files in memory.

Each process has files of its own, which ``prometheus_client`` writes and sums up. This module makes
the folder, removes those that dead instances left, and merges the files of dead processes: their
counts stay, since a counter must not go down, and the number of files does not grow.
"""

# mypy: disable-error-code="no-untyped-call"
# prometheus_client types a part of itself only

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from prometheus_client.mmap_dict import MmapedDict

from fcplug_metrics.reserved import ReservedDict

_PREFIX = "fcplug-metrics-"
_OWNER, _LOCK = "owner", "lock"
_MEMORY = Path("/dev/shm")  # noqa: S108 - each folder in it is private
_DEAD = "dead"  # in place of a process id
_SUMMED = ("counter", "histogram", "summary")


class MetricsFolder:
    """A folder that belongs to an instance, or that the settings name.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path, owner: IO[bytes] | None) -> None:
        self.path = path
        self._owner = owner

    @classmethod
    def named(cls, path: str) -> MetricsFolder:
        """Return a folder of the settings, which stays.

        Raises:
            OSError: it cannot be made, or not be written to.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _LOCK).touch()
        return cls(folder, None)

    @classmethod
    def own(cls) -> MetricsFolder:
        """Make a folder that is removed at the end, and remove those of instances that are dead.

        An instance holds a lock on a file in its folder. Its children inherit that, so the lock
        lives as long as any of them.

        Raises:
            OSError: none can be made.
        """
        base = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _remove_dead(base)
        fresh = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=base))
        owner = (fresh / _OWNER).open("wb")
        fcntl.flock(owner, fcntl.LOCK_EX)
        path = base / fresh.name[1:]
        fresh.rename(path)  # only now others see it, locked
        return cls(path, owner)

    def remove(self) -> None:
        """Remove a folder of its own."""
        if self._owner is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            self._owner.close()
            self._owner = None

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Merge the files of dead processes; nobody else does while the block runs."""
        with (self.path / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._merge()
            yield

    def _merge(self) -> None:
        dead: dict[str, list[Path]] = {}
        for file in self.path.glob("*.db"):
            kind, _, rest = file.stem.partition("_")
            process = rest.rpartition("_")[2]
            if process == _DEAD or not process.isdigit() or _lives(int(process)):
                continue
            if kind in _SUMMED:
                dead.setdefault(kind, []).append(file)
            elif rest.startswith("live"):
                file.unlink(missing_ok=True)  # a gauge of what is running: nothing is
        for kind, files in dead.items():
            with suppress(OSError):  # no space: they are summed up as they are, and merged later
                _sum_up(self.path / f"{kind}_{_DEAD}.db", files)


def _sum_up(target: Path, files: Sequence[Path]) -> None:
    """Add the values of files to those of another, and remove them.

    Raises:
        OSError: there is no space; nothing has changed.
    """
    sums: dict[str, float] = {}
    for file in (target, *files):
        with suppress(FileNotFoundError):
            for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(
                str(file)
            ):
                sums[key] = sums.get(key, 0.0) + value
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    try:
        values = ReservedDict(str(fresh), _refuse)
        for key, value in sums.items():
            values.write_value(key, value, 0.0)
        values.close()
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    for file in files:
        file.unlink(missing_ok=True)


def _refuse(error: OSError) -> None:
    raise error


def _remove_dead(base: Path) -> None:
    """Remove the folders that no process holds, of this user alone."""
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid != os.getuid():
                continue
            with (folder / _OWNER).open("rb") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
