"""A recording: a file of records, one a line, or a folder with a file for each function."""

import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from fcplug.errors import FcplugError
from fcplug.recording.record import InvalidRecord, Record, decode, encode

SUFFIX = ".jsonl"


class RecordingError(FcplugError):
    """A recording cannot be written or read."""


class Writer:
    """Adds records to a file, or to the files of a folder, each in one write.

    A process that is killed leaves at most a last line without its end, which readers leave out and
    the next writer cuts off. If the disk is full the line that did not fit is cut off at once.

    Args:
        path: a file, or a folder if it is one or ends with ``/``.

    Raises:
        RecordingError: it cannot be written, is written by another process, or is something else.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._is_folder = path.endswith(os.sep) or self.path.is_dir()
        self._files: dict[Path, int] = {}
        try:
            if self._is_folder:
                self.path.mkdir(parents=True, exist_ok=True)
            else:
                self._file(self.path)
        except OSError as error:
            raise _failed(self.path, error, "be written") from None

    def add(self, record: Record) -> None:
        """Write a record.

        Raises:
            RecordingError: it does not fit on the disk, or the file cannot be written.
        """
        path = self.path
        if self._is_folder:
            path = path / f"{quote(record.function, safe='')}{SUFFIX}"
        try:
            file = self._file(path)
            end = os.lseek(file, 0, os.SEEK_END)
            try:
                _write(file, encode(record))
            except OSError:
                os.ftruncate(file, end)
                raise
        except OSError as error:
            raise _failed(path, error, "be written") from None

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _file(self, path: Path) -> int:
        if path in self._files:
            return self._files[path]
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _claim(file, path)
        except BaseException:
            os.close(file)
            raise
        self._files[path] = file
        return file


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _claim(file: int, path: Path) -> None:
    """Lock a file and cut off a last line without its end, unless it is something else."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RecordingError(f"{path}: another process writes this recording") from None
    size = os.fstat(file).st_size
    if not size:
        return
    with open(os.dup(file), "rb") as stream:
        stream.seek(0)
        first = stream.readline()
        try:
            if first.endswith(b"\n"):
                decode(first)
        except InvalidRecord as error:
            raise RecordingError(
                f"{path} is there already and is no recording ({error}): choose another file"
            ) from None
        whole = _end_of_lines(stream.fileno(), size)
    if not first.endswith(b"\n") and not first.startswith(b'{"version":1,'):
        raise RecordingError(f"{path} is there already and is no recording: choose another file")
    os.ftruncate(file, whole)


def _end_of_lines(file: int, size: int) -> int:
    """Return where the last line that has an end ends."""
    step, begin = 1 << 16, size
    while begin > 0:
        length = min(step, begin)
        begin -= length
        found = os.pread(file, length, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
    return 0


def read(path: str, functions: Iterable[str] = ()) -> Sequence[Record]:
    """Return the records of a file or a folder in the order in which they began.

    ``functions``: only of these; of all without.

    Raises:
        RecordingError: it cannot be read, has no records, or a line is none, with its number.
    """
    wanted = set(functions)
    found = Path(path)
    files = sorted(found.glob(f"*{SUFFIX}")) if found.is_dir() else [found]
    records = [record for file in files for record in _records(file)]
    if not records:
        raise RecordingError(f"{path} has no recorded requests")
    chosen = [record for record in records if not wanted or record.function in wanted]
    if not chosen:
        names = ", ".join(sorted({record.function for record in records}))
        raise RecordingError(f"{path} has no requests of {', '.join(wanted)}; it has: {names}")
    return sorted(chosen, key=lambda record: record.at)


def _records(file: Path) -> Iterable[Record]:
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    return  # the process that wrote it was killed
                if not line.strip():
                    continue
                try:
                    yield decode(line)
                except InvalidRecord as error:
                    raise RecordingError(f"{file}:{number}: no recorded request: {error}") from None
    except OSError as error:
        raise _failed(file, error, "be read") from None


def _failed(path: Path, error: OSError, what: str) -> RecordingError:
    return RecordingError(f"{path} cannot {what}: {error.strerror or error}")
