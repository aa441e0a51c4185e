"""Records in a file of SQLite, for threads and processes that can lock the same file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fcplug_idempotency.errors import StoreUnavailable
from fcplug_idempotency.record import Beginning, Begun, Claim, Differs, Done, InProgress

_PATIENCE = 10.0  # seconds for other processes that write to the file
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, payload TEXT NOT NULL, state TEXT NOT NULL, token TEXT NOT NULL,
    lease REAL NOT NULL, held_until REAL NOT NULL, expires REAL NOT NULL, result BLOB
) WITHOUT ROWID
"""
_INDEX = "CREATE INDEX IF NOT EXISTS records_by_expiry ON records (expires)"
_HELD = "WHERE key = :key AND token = :token"


class SqliteStore:
    """A store in one file, which the first call makes.

    Each operation opens the file: a connection that a fork, a freeze or a lost mount has broken
    does no harm. The rollback journal is used, as a write-ahead log does not work on a network
    mount.

    Args:
        path: of the file, in a folder that exists.
        clock: seconds of a clock that all processes share.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path.absolute()
        self._clock = clock

    def begin(self, claim: Claim) -> Beginning:
        """Hold the record for a call, or say why that cannot be."""
        with self._writing() as connection:
            now = self._clock()
            connection.execute("DELETE FROM records WHERE expires <= ?", (now,))
            found = connection.execute(
                "SELECT payload, state, lease, held_until, result FROM records WHERE key = ?",
                (claim.key,),
            ).fetchone()
            if found:
                payload, state, lease, held_until, result = found
                if payload != claim.payload:
                    return Differs()
                if state == "done":
                    return Done(bytes(result))
                if state == "in progress" and now < held_until:
                    return self._in_progress(connection, claim, (now, lease, held_until))
            connection.execute(
                "INSERT OR REPLACE INTO records VALUES (?, ?, 'in progress', ?, ?, ?, ?, NULL)",
                (
                    claim.key,
                    claim.payload,
                    claim.token,
                    claim.lease,
                    now + claim.lease,
                    now + max(claim.lease, claim.expiry),
                ),
            )
        return Begun()

    def finish(self, claim: Claim, result: bytes) -> bool:
        """Keep the result; return False if the record is not held for this call any more."""
        values = {"key": claim.key, "token": claim.token, "result": result}
        with self._writing() as connection:
            changed = connection.execute(
                f"UPDATE records SET state = 'done', result = :result, expires = :expires {_HELD}",  # noqa: S608 - its own text
                {**values, "expires": self._clock() + claim.expiry},
            )
            return changed.rowcount == 1

    def fail(self, claim: Claim) -> None:
        """Let the next call run, if the record is held for this one."""
        with self._writing() as connection:
            connection.execute(
                f"UPDATE records SET state = 'failed', expires = :expires {_HELD}",  # noqa: S608 - its own text
                {
                    "key": claim.key,
                    "token": claim.token,
                    "expires": self._clock() + claim.expiry,
                },
            )

    def _in_progress(
        self, connection: sqlite3.Connection, claim: Claim, times: tuple[float, float, float]
    ) -> InProgress:
        now, lease, held_until = times
        if held_until - now > lease:  # the clock went back: hold it for one lease from now
            held_until = now + lease
            connection.execute(
                "UPDATE records SET held_until = ? WHERE key = ?", (held_until, claim.key)
            )
        return InProgress(held_until - now)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Return a connection in a transaction that no other process shares."""
        try:
            with closing(
                sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_SCHEMA)
                connection.execute(_INDEX)
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreUnavailable(
                f"the store {self._path} cannot be used: {error}: its folder must exist, be "
                "mounted and writable, have free space, and let files be locked"
            ) from error
