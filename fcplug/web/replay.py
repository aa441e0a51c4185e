"""Store used signatures, shared by all processes of one user.

A signature belongs to the period of its own timestamp. Each period is a file of digests, in a
folder that no other user can enter. A process locks the file, reads what others have appended, and
then appends. A signature that one process accepted is rejected by all others, also after a restart.
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
    """Return the folder of this user's files.

    It is the same in every process and after a restart.
    """
    folder = os.path.abspath(environ.get("TMPDIR") or "/tmp")  # noqa: S108 - see _secure
    return f"{folder}/fcplug-{os.geteuid()}"


class ReplayMemory:
    """Remembers signatures as long as they are valid.

    Args:
        folder: the folder of the files, created if it is missing.
        window: seconds for which a signature is valid, before and after its own time.
        most: signatures per period; further ones are rejected.
    """

    def __init__(self, folder: str, window: int, most: int = 100_000) -> None:
        self._folder = folder
        self._window = window
        self._most = most
        self._lock = threading.Lock()
        self._periods: dict[int, _PeriodFile] = {}

    def prepare(self) -> None:
        """Create the folder.

        Raises:
            OSError: it cannot be created, or another user can enter it.
        """
        _secure(self._folder)

    def reason_to_reject(self, digest: bytes, moment: int, now: float) -> str:
        """Store a signature, or return the reason to reject it.

        Empty if it is new.

        Raises:
            OSError: it cannot be stored, so it must be rejected.
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
        """Write the digests that this process has read from a deleted file to a new file."""
        deleted, restored = self._periods[number], self._open(number)
        try:
            restored.add(deleted.seen)
        except OSError:
            restored.close()
            raise
        self._periods[number] = restored
        deleted.close()

    def _forget(self, now: float) -> None:
        """Delete the periods whose signatures are all expired."""
        _secure(self._folder)
        over = int(now - self._window) // _PERIOD
        for number in [number for number in self._periods if number < over]:
            self._periods.pop(number).close()
        for name in os.listdir(self._folder):
            ending = name.removeprefix(_PREFIX)
            if ending != name and ending.isdigit() and int(ending) < over:
                with contextlib.suppress(FileNotFoundError):  # another process deleted it first
                    os.unlink(f"{self._folder}/{name}")


class _FileDeletedError(OSError):
    """The file of a period was deleted, so other processes will not find it."""


class _PeriodFile:
    """The signatures of one period: the file, and the digests read from it so far."""

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self.seen: set[bytes] = set()
        self._read = 0  # bytes

    def reason_to_reject(self, digest: bytes, most: int) -> str:
        """Store a signature, or return the reason to reject it.

        Empty if it is new.

        Raises:
            _FileDeletedError: the file is gone; ``seen`` has all of its digests.
        """
        # this lock belongs to the process: a fork does not inherit it, and exiting releases it
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
        """Append the digests that the file does not contain yet."""
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
            _FileDeletedError: the file was read to its end, but it is deleted.
        """
        found = os.fstat(self._fd)
        size = found.st_size
        if size < self._read:
            raise OSError(errno.ESTALE, "the file of used signatures was truncated")
        end = size - size % _SIZE
        if end != size:  # a process died while writing, before it accepted the signature
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
    """Create a folder that only this user can enter, or raise an OSError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not mine or stat.S_IMODE(found.st_mode) & 0o077:
            what = "not a folder that only this user can enter"
            raise PermissionError(errno.EPERM, what, folder) from None
