"""The one platform of a folder: a file that others find it by, locked as long as it runs."""

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

from fcplug.errors import FcplugError
from fcplug.platform.signatures import AUTHORIZATION, SignedRequest, sign

_LOOK = 0.5  # seconds that another command may take to look at the file


class FolderError(FcplugError):
    """A folder cannot get a platform: it has one already, or its file cannot be written."""


class Running(NamedTuple):
    """A platform that runs: its process, and the port of its API on the loopback address.

    If requests must be signed, ``key_id`` and ``secret`` are a key that this user's commands have.
    """

    pid: int
    port: int
    key_id: str = ""
    secret: str = ""

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}"

    def signed(self, method: str, target: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers that a request needs besides its own: none if none must sign."""
        if not self.key_id:
            return {}
        own = {"date": formatdate(usegmt=True)}
        path, _, query = target.partition("?")
        request = SignedRequest(method, path, query, {**headers, **own}, b"")
        return {**own, AUTHORIZATION: sign(request, self.key_id, self.secret)}


class Claim:
    """The right to run the platform of a folder; it ends with the process, however that ends.

    Attributes:
        queue: the file of its asynchronous calls.

    Raises:
        FolderError: another platform has it, or the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = path = _path(folder)
        self.queue = path.with_suffix(".sqlite")
        try:
            _make_home(path.parent)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise FolderError(f"{path} cannot be written: {error.strerror}") from None
        if not _lock(self._file):
            other = _read(self._file)
            os.close(self._file)
            raise FolderError(_taken(folder, other))
        os.ftruncate(self._file, 0)

    def announce(self, port: int, key: tuple[str, str] = ("", "")) -> None:
        """Let other commands of this user find the platform, and sign with a key.

        Raises:
            FolderError: the file cannot be written.
        """
        found = {"pid": os.getpid(), "port": port, "keyId": key[0], "secret": key[1]}
        os.ftruncate(self._file, 0)
        try:
            os.pwrite(self._file, json.dumps(found).encode(), 0)
        except OSError as error:  # such as a full disk
            raise FolderError(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Let another platform have the folder."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def find(folder: Path) -> Running | None:
    """Return the platform that runs over a folder, or over one that the folder is in."""
    for each in (folder, *folder.parents):
        try:
            file = os.open(_path(each), os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if _is_locked(file) and (running := _read(file)):
                return running
        finally:
            os.close(file)
    return None


def find_here() -> Running | None:
    """Return the platform that runs over the working directory, or over one that it is in."""
    try:
        return find(Path.cwd())
    except FileNotFoundError:  # it was removed
        return None


def _lock(file: int) -> bool:
    """Lock a file and return whether that was possible; ``find`` holds a lock for a moment, too."""
    until = time.monotonic() + _LOOK
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)


def _is_locked(file: int) -> bool:
    """Return whether the process that wrote a file still runs."""
    if os.fstat(file).st_uid != os.geteuid():
        return False  # another user's: not to be trusted
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _read(file: int) -> Running | None:
    try:
        found = json.loads(os.pread(file, 4096, 0))
        key_id, secret = (str(found.get(name, "")) for name in ("keyId", "secret"))
        return Running(int(found["pid"]), int(found["port"]), key_id, secret)
    except (ValueError, KeyError, TypeError):  # it is not announced yet
        return None


def _taken(folder: Path, other: Running | None) -> str:
    if other is None:
        return f"another fcplug dev starts in {folder} right now"
    return (
        f"fcplug dev runs in {folder} already: process {other.pid}, {other.url}\n"
        f"  fix: use that one, or stop it: kill {other.pid}"
    )


def _path(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:20]
    return Path(_temporary_folder(), f"fcplug-{os.geteuid()}", f"{name}.json")


def _temporary_folder() -> str:
    """Return the folder for temporary files, the same if it is full: ``tempfile`` tries others."""
    named = os.environ.get("TMPDIR", "")
    return os.path.abspath(named) if os.path.isdir(named) else "/tmp"  # noqa: S108 - see _make_home


def _make_home(home: Path) -> None:
    """Make the folder of the files, for this user alone.

    Raises:
        OSError: it cannot be made, or another user has put something in its place.
    """
    home.mkdir(mode=0o700, exist_ok=True)
    status = home.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(0, f"{home} belongs to another user")
