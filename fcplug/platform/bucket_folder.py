"""A folder that stands for a bucket of OSS: its files are the objects, and changes are reported."""

import fcntl
import hashlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import watchfiles

from fcplug.platform.bucket_event import ObjectChange

_QUIET = 0.5  # seconds without a change after which a file counts as whole
_POLL = 0.5  # seconds between two looks where nothing can be watched
_LOOK = 200  # milliseconds between two looks at what is not whole yet
_LONGEST_KEY = 1023  # bytes, OSS's limit
_TEMPORARY = ("~", ".crdownload", ".part", ".partial", ".swp", ".swx", ".tmp")
_CHUNK = 1024 * 1024  # bytes


class _Seen(NamedTuple):
    """What a file looked like: enough to notice new content."""

    size: int
    modified: int
    inode: int


class BucketFolder(threading.Thread):
    """Reports each object that is put, overwritten or removed, until it is stopped.

    The files that are there at the start are objects already. A file counts when it is whole:
    nobody has it open for writing, as far as the system can tell, and it has not changed for half
    a second. Hidden and temporary files are none, so a rename of one to its final name is one
    change.

    Args:
        bucket: its name.
        folder: is watched with all folders in it.
        changed: gets each change, in a thread of its own.
        say: gets what a user should know: a name that no object can have, a folder that is gone.
    """

    # A file is *known* as it was last reported, and *pending* from the moment at which it looks
    # different: since when, and like what. If it looks the same for long enough, the change is
    # reported and known; if it looks different again, its time begins again; if it looks as it is
    # known, nothing has happened.

    def __init__(
        self,
        bucket: str,
        folder: Path,
        changed: Callable[[ObjectChange], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"fcplug-bucket-{bucket}", daemon=True)
        self._bucket = bucket
        self._folder = folder
        self._changed = changed
        self._say = say
        self._said: set[str] = set()
        self._known: dict[str, _Seen] = {}
        self._pending: dict[str, tuple[_Seen | None, float]] = {}
        self._watches = False
        self._ended = threading.Event()
        self._ready = threading.Event()

    def __enter__(self) -> "BucketFolder":
        self.start()
        self._ready.wait()  # a file that is put after this call counts
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Watch until the end."""
        while not self._ended.is_set():
            try:
                self._watch()
            except FileNotFoundError:
                pass
            except (OSError, RuntimeError) as error:  # of the latter kind are those of watchfiles
                if not self._watches:  # such as no room for a watch left in the kernel
                    self._say_once(f"it cannot be watched, and is read again and again: {error}")
                    self._poll()
            self._wait_for_folder()
        self._ready.set()

    def _watch(self) -> None:
        """Report changes until the end, until the folder is gone, or until the watch breaks.

        It breaks on a name that is not UTF-8. What has changed meanwhile is found by the next one.
        """
        self._watches = False
        root = self._folder.stat().st_ino
        for changes in watchfiles.watch(
            self._folder,
            watch_filter=None,
            stop_event=self._ended,
            debounce=_LOOK,
            rust_timeout=_LOOK,
            yield_on_timeout=True,  # the first time says that it watches
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            if self._folder.stat().st_ino != root:
                return
            if changes or self._pending or not self._watches:
                self._report()
            self._watches = True

    def _poll(self) -> None:
        while not self._ended.wait(_POLL):
            self._report()

    def _report(self) -> None:
        """Look, and report what has changed; the first time nothing has."""
        found = self._look()
        if self._ready.is_set():
            self._compare(found, time.monotonic())
        else:
            self._known = found
            self._ready.set()

    def _wait_for_folder(self) -> None:
        while not self._ended.wait(_LOOK / 1000):
            if self._folder.is_dir():
                return
            self._say_once("the folder is gone: nothing is noticed until it is back")

    def _look(self) -> dict[str, _Seen]:
        """Return the objects that are there."""
        found = {}
        for entry in _files(self._folder):
            key = os.path.relpath(entry.path, self._folder)
            with suppress(OSError):  # it is gone again, or leads nowhere
                status = entry.stat()
                if stat.S_ISREG(status.st_mode) and self._is_key(key):
                    found[key] = _Seen(status.st_size, status.st_mtime_ns, status.st_ino)
        return found

    def _is_key(self, key: str) -> bool:
        try:
            if len(key.encode()) <= _LONGEST_KEY:
                return True
            self._say_once(f"{key!r} is longer than the key of an object can be")
        except UnicodeEncodeError:
            self._say_once(f"{os.fsencode(key)!r} is not UTF-8, as the key of an object must be")
        return False

    def _compare(self, found: Mapping[str, _Seen], now: float) -> None:
        for key in sorted(self._known.keys() | found.keys() | self._pending.keys()):
            seen = found.get(key)
            if seen == self._known.get(key):
                self._pending.pop(key, None)
                continue
            before = self._pending.get(key)
            if before is None or before[0] != seen:
                self._pending[key] = (seen, now)
            elif now - before[1] >= _QUIET:
                self._settle(key, seen)

    def _settle(self, key: str, seen: _Seen | None) -> None:
        """Report a change, unless the file is not whole yet."""
        etag = ""
        if seen is not None:
            try:
                etag = _checksum(self._folder / key, self._ended)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    self._say_once(f"{key!r} cannot be read: {error.strerror}")
                return
            if not etag:
                return
        before = self._known.pop(key, None)
        del self._pending[key]
        if seen is not None:
            self._known[key] = seen
        change = ObjectChange(
            bucket=self._bucket,
            key=key,
            removed=seen is None,
            size=seen.size if seen else 0,
            before=before.size if before else 0,
            etag=etag,
            at=time.time(),
        )
        self._changed(change)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _files(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Yield what may be an object in a folder and those in it; links to folders stay unread."""
    left = [str(folder)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(_TEMPORARY):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                else:
                    yield entry


def _checksum(path: Path, ended: threading.Event) -> str:
    """Return the checksum that OSS would have for a file, empty if somebody writes it.

    A large file takes its time; ``ended`` stops that.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if _is_written(file.fileno()):
            return ""
        digest = hashlib.md5(usedforsecurity=False)
        while not ended.is_set() and (chunk := file.read(_CHUNK)):
            digest.update(chunk)
    return digest.hexdigest().upper()


def _is_written(file: int) -> bool:
    """Return whether a file is open for writing somewhere, where the system can tell (Linux)."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # who opens the file in this moment waits; the signal is one that does nothing by default
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # another user's file, or a file system that has no leases
        return False
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
