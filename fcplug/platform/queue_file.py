"""The SQLite file of the queue of asynchronous calls, open for one platform at a time."""

import fcntl
import os
import shlex
import sqlite3
from pathlib import Path

from fcplug.errors import FcplugError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    function TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    retry INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    accepted REAL NOT NULL,
    started REAL,
    ended REAL,
    duration_ms REAL,
    instance TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    destination TEXT NOT NULL DEFAULT '',
    events TEXT NOT NULL,
    call BLOB NOT NULL,
    answer BLOB NOT NULL DEFAULT x'',
    UNIQUE (function, id)
);
CREATE INDEX IF NOT EXISTS waiting ON tasks (due) WHERE state IN ('Enqueued', 'Retrying');
CREATE INDEX IF NOT EXISTS running ON tasks (state) WHERE state IN ('Running', 'Stopping');
"""


class QueueInUse(FcplugError):  # noqa: N818 - it is reported, not caught
    """Another platform uses the file of the queue."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file}: another platform uses this queue: stop it, or choose another folder"
        )


class QueueUnusable(FcplugError):  # noqa: N818 - it is reported, not caught
    """The file of the queue cannot be opened: no room, no permission, or it is something else."""

    def __init__(self, file: Path, error: Exception) -> None:
        fix = "free some space on its disk, or let TMPDIR name another folder"
        if not isinstance(error, (sqlite3.OperationalError, OSError)):
            fix = f"remove it, with the calls that wait in it: rm {shlex.quote(str(file))}*"
        super().__init__(
            f"{file}: the queue of asynchronous calls cannot be opened: {error}\n  fix: {fix}"
        )


def open_file(file: Path) -> tuple[int, sqlite3.Connection]:
    """Open the file in WAL mode, and return the descriptor of its lock and the connection.

    Raises:
        QueueInUse: another platform has it open.
        QueueUnusable: it cannot be opened.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        guard = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise QueueUnusable(file, error) from error
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(guard)
        raise QueueInUse(file) from None
    try:
        return guard, _connect(file)
    except (OSError, sqlite3.Error) as error:
        os.close(guard)
        raise QueueUnusable(file, error) from error


def _connect(file: Path) -> sqlite3.Connection:
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # events may hold secrets
    database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database
