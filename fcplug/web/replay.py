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
    folder = os.path.abspath(environ.get("TMPDIR") or "/tmp")  # noqa: S108 - see _secure
    return f"{folder}/fcplug-{os.geteuid()}"


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
        self._periods: dict[int, _PeriodFile] = {}

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            OSError: it cannot be made, or another user can enter it.
        """
        _secure(self._folder)

    def reason_to_reject(self, digest: bytes, moment: int, now: float) -> str:
        """Remember a signature; return why it does not count, empty if it is the first of its kind.

        Raises:
            OSError: it cannot be remembered, and must not count.
        """
        number = moment // _PERIOD
        with self._lock:
            if number not in self._periods:
                self._forget(now)
                self._periods[number] = self._open(number)
            try:
                return self._periods[number].reason_to_reject(digest[:_SIZE], self._most)
            except _FileDeletedError:
                self._restore(number)
                return self._periods[number].reason_to_reject(digest[:_SIZE], self._most)

    def _open(self, number: int) -> "_PeriodFile":
        _secure(self._folder)
        return _PeriodFile(f"{self._folder}/{_PREFIX}{number}")

    def _restore(self, number: int) -> None:
        """Write to a new file what was in one that was deleted, as this process has read it."""
        deleted, restored = self._periods[number], self._open(number)
        try:
            restored.add(deleted.seen)
        except OSError:
            restored.close()
            raise
        self._periods[number] = restored
        deleted.close()

    def _forget(self, now: float) -> None:
        """Drop the periods whose signatures are all too old to be valid."""
        _secure(self._folder)
        over = int(now - self._window) // _PERIOD
        for number in [number for number in self._periods if number < over]:
            self._periods.pop(number).close()
        for name in os.listdir(self._folder):
            ending = name.removeprefix(_PREFIX)
            if ending != name and ending.isdigit() and int(ending) < over:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    os.unlink(f"{self._folder}/{name}")


class _FileDeletedError(OSError):
    """The file of a period is not where another process would find it."""


class _PeriodFile:
    """The signatures of one period: a file, and what this process has read of it."""

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self.seen: set[bytes] = set()
        self._read = 0  # bytes

    def reason_to_reject(self, digest: bytes, most: int) -> str:
        """Remember a digest; return why it does not count, empty if it is new.

        Raises:
            _FileDeletedError: ``seen`` holds all that was in the file.
        """
        # a lock of the process, which a fork does not inherit and an end of the process frees
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            self._catch_up()
            if digest in self.seen:
                return "the signature was used before"
            if len(self.seen) >= most:
                return "too many signed requests in a short time"
            self._append(digest)
            self.seen.add(digest)
            return ""
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def add(self, digests: set[bytes]) -> None:
        """Write those digests that the file does not hold."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            self._catch_up()
            self._append(b"".join(digests - self.seen))
            self.seen |= digests
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)

    def _catch_up(self) -> None:
        """Read what other processes have appended.

        Raises:
            _FileDeletedError: all of the file is read, and no other process will find it.
        """
        found = os.fstat(self._fd)
        size = found.st_size
        if size < self._read:
            raise OSError(errno.ESTALE, "the file of used signatures was cut")
        end = size - size % _SIZE
        if end != size:  # its process ended while it wrote, and had accepted nothing yet
            os.ftruncate(self._fd, end)
        while self._read < end:
            data = os.pread(self._fd, end - self._read, self._read)
            whole = len(data) - len(data) % _SIZE
            if not whole:
                raise OSError(errno.EIO, "the file of used signatures cannot be read")
            self.seen.update(data[at : at + _SIZE] for at in range(0, whole, _SIZE))
            self._read += whole
        if not found.st_nlink:
            raise _FileDeletedError

    def _append(self, data: bytes) -> None:
        if os.write(self._fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._read += len(data)


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
