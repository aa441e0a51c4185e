"""The signatures that were used, remembered by all processes of one user on one machine.

A signature belongs to the period of its own time. Each period is a file of digests in a folder that
no other user can enter. A process appends to it under a lock, after it has read what the others
appended: what one process has accepted, no other accepts, nor one that starts later.
"""

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Mapping

_PERIOD = 300  # seconds of signatures in one file
_SIZE = 16  # bytes of a digest in the file
_PREFIX = "signatures-"


def folder_of(environ: Mapping[str, str]) -> str:
    """Return the folder of this user's memory: the same in every process, and after a restart."""
    return f"{environ.get('TMPDIR') or '/tmp'}/fcplug-{os.geteuid()}"  # noqa: S108 - see _secure


class ReplayMemory:
    """Remembers signatures for as long as their time makes them valid.

    Args:
        folder: where the files are; it is made if it is missing.
        window: seconds for which a signature is valid, before and after its own time.
        most: signatures of one period; further ones are refused.
    """

    def __init__(self, folder: str, window: int, most: int = 100_000) -> None:
        self._folder = folder
        self._window = window
        self._most = most
        self._lock = threading.Lock()
        self._periods: dict[int, _Period] = {}

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            OSError: it cannot be made, or another user can enter it.
        """
        _secure(self._folder)

    def refusal(self, digest: bytes, moment: int, now: float) -> str:
        """Remember a signature; return why it does not count, empty if it is the first of its kind.

        Raises:
            OSError: it cannot be remembered, and must not count.
        """
        with self._lock:
            period = self._periods.get(moment // _PERIOD)
            if period is None:
                _secure(self._folder)
                self._forget(now)
                period = _Period(f"{self._folder}/{_PREFIX}{moment // _PERIOD}")
                self._periods[moment // _PERIOD] = period
            return period.refusal(digest[:_SIZE], self._most)

    def _forget(self, now: float) -> None:
        """Drop the periods whose signatures are all too old to be valid."""
        over = int(now - self._window) // _PERIOD
        for number in [number for number in self._periods if number < over]:
            self._periods.pop(number).close()
        for name in os.listdir(self._folder):
            ending = name.removeprefix(_PREFIX)
            if ending != name and ending.isdigit() and int(ending) < over:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    os.unlink(f"{self._folder}/{name}")


class _Period:
    """The signatures of one period: a file, and what this process has read of it."""

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._seen: set[bytes] = set()
        self._read = 0  # bytes

    def refusal(self, digest: bytes, most: int) -> str:
        # a lock of the process, which a fork does not inherit and an end of the process frees
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            self._catch_up()
            if digest in self._seen:
                return "the signature was used before"
            if len(self._seen) >= most:
                return "too many signed requests in a short time"
            if os.write(self._fd, digest) != _SIZE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._seen.add(digest)
            self._read += _SIZE
            return ""
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)

    def _catch_up(self) -> None:
        """Read what other processes have appended."""
        found = os.fstat(self._fd)
        if not found.st_nlink or found.st_size < self._read:
            raise OSError(errno.ESTALE, "the file of used signatures was deleted or cut")
        end = found.st_size - found.st_size % _SIZE
        if end != found.st_size:  # its process ended while it wrote, and had accepted nothing yet
            os.ftruncate(self._fd, end)
        while self._read < end:
            data = os.pread(self._fd, end - self._read, self._read)
            whole = len(data) - len(data) % _SIZE
            if not whole:
                raise OSError(errno.EIO, "the file of used signatures cannot be read")
            self._seen.update(data[at : at + _SIZE] for at in range(0, whole, _SIZE))
            self._read += whole


def _secure(folder: str) -> None:
    """Make a folder that this user alone can enter, or raise an OSError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not mine or stat.S_IMODE(found.st_mode) & 0o077:
            what = "not a folder that this user alone can enter"
            raise PermissionError(errno.EPERM, what, folder) from None
