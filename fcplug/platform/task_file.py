"""The asynchronous calls of the local platform in a SQLite file, so that a kill loses none."""

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from fcplug.platform import queue_file
from fcplug.platform.answers import ApiError
from fcplug.platform.model import Call
from fcplug.platform.queue_file import QueueUnusable
from fcplug.platform.task import Change, Task, TaskEvent, TaskState

KEPT = 10_000  # tasks that have ended, for look-ups
_ANSWER = 1024 * 1024  # bytes of an answer that look-ups show, as on FC

_COLUMNS = (
    "number, function, id, state, retry, due, accepted, started, ended, duration_ms, instance, "
    "error, destination, events, call, answer"
)


class TaskFile:
    """The tasks in one SQLite file in WAL mode; a transaction is durable once its method returns.

    That holds for a kill of the process; a power failure may lose the last moments. Every method
    raises ``sqlite3.OperationalError`` if the file cannot be written, as on a full disk.

    Raises:
        QueueInUse: another platform has the file open.
        QueueUnusable: it cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._guard, self._database = queue_file.open_file(file)
        try:
            self._recover()
        except sqlite3.Error as error:
            self.close()
            raise QueueUnusable(file, error) from error

    def close(self) -> None:
        """Close the file; another platform may open it then."""
        with self._lock:
            self._database.close()
            os.close(self._guard)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has ended it itself, on a full disk
                    self._database.execute("ROLLBACK")
                raise

    def _recover(self) -> None:
        """Run again what ran when the platform ended; the retry count says that it is not new."""
        now = time.time()
        with self._transaction() as database:
            database.execute(
                "UPDATE tasks SET state = 'Retrying', retry = retry + 1, due = ?, "
                f"events = {_appended()} WHERE state = 'Running'",
                (now, _event(TaskState.RETRYING, now, "the platform ended during this try")),
            )
            database.execute(
                f"UPDATE tasks SET state = 'Stopped', ended = ?, events = {_appended()} "
                "WHERE state = 'Stopping'",
                (now, _event(TaskState.STOPPED, now)),
            )
        self.prune()

    def add(self, call: Call, task_id: str) -> None:
        """Accept a call: once this returns, it will be run.

        Raises:
            ApiError: the function has a task of this id.
        """
        with self._transaction() as database:
            try:
                _insert(database, call, task_id)
            except sqlite3.IntegrityError:
                raise ApiError(
                    400,
                    "InvalidArgument",
                    f"function '{call.function}' already has an asynchronous task '{task_id}': "
                    "choose another id",
                ) from None

    def claim(self, busy: Collection[str]) -> Task | None:
        """Mark the task that has been due longest as running, and return it; None if none is due.

        Functions in ``busy`` get none.
        """
        now = time.time()
        marks = ",".join("?" * len(busy))
        with self._transaction() as database:
            row = database.execute(
                "SELECT number FROM tasks WHERE state IN ('Enqueued', 'Retrying') "
                f"AND due <= ? AND function NOT IN ({marks}) ORDER BY due LIMIT 1",
                (now, *busy),
            ).fetchone()
            if row is None:
                return None
            database.execute(
                f"UPDATE tasks SET state = 'Running', started = ?, events = {_appended()} "
                "WHERE number = ?",
                (now, _event(TaskState.RUNNING, now), row[0]),
            )
            row = database.execute(
                f"SELECT {_COLUMNS} FROM tasks WHERE number = ?",
                row,
            ).fetchone()
        return _task(row)

    def next_due(self, busy: Collection[str]) -> float | None:
        """Return when the next task is due, of functions that are not in ``busy``."""
        marks = ",".join("?" * len(busy))
        with self._lock:
            row = self._database.execute(
                "SELECT due FROM tasks WHERE state IN ('Enqueued', 'Retrying') "
                f"AND function NOT IN ({marks}) ORDER BY due LIMIT 1",
                (*busy,),
            ).fetchone()
        return row[0] if row else None

    def settle(self, task: Task, change: Change, follow_up: Call | None) -> TaskState:
        """Record the end of a try, queue the call of its destination, and return the new state.

        A task that was asked to stop is not tried again, and its destination gets nothing.
        """
        now = time.time()
        with self._transaction() as database:
            (state,) = database.execute(
                "SELECT state FROM tasks WHERE number = ?", (task.number,)
            ).fetchone()
            if state == TaskState.STOPPING.value:
                change = msgspec.structs.replace(change, state=TaskState.STOPPED)
                follow_up = None
            database.execute(
                "UPDATE tasks SET state = ?, retry = ?, due = ?, ended = ?, duration_ms = ?, "
                "instance = ?, error = ?, destination = ?, answer = ?, "
                f"events = {_appended()} WHERE number = ?",
                (
                    change.state.value,
                    change.retry,
                    change.due,
                    now if change.final else None,
                    change.duration_ms,
                    change.instance,
                    change.error,
                    change.destination,
                    change.answer[:_ANSWER],
                    _event(change.state, now, change.error),
                    task.number,
                ),
            )
            if follow_up is not None:
                _insert(database, follow_up, follow_up.request_id)
        return change.state

    def stop(self, function: str, task_id: str) -> TaskState | None:
        """Stop a task and return its new state, None if it had ended."""
        now = time.time()
        with self._transaction() as database:
            for stopped, ended, before in (
                (TaskState.STOPPED, now, "('Enqueued', 'Retrying')"),
                (TaskState.STOPPING, None, "('Running')"),
            ):
                done = database.execute(
                    f"UPDATE tasks SET state = ?, ended = ?, events = {_appended()} "
                    f"WHERE function = ? AND id = ? AND state IN {before}",
                    (stopped.value, ended, _event(stopped, now), function, task_id),
                )
                if done.rowcount:
                    return stopped
        return None

    def find(self, function: str, task_id: str) -> Task | None:
        """Return a task of a function by its id, None if there is none."""
        with self._lock:
            row = self._database.execute(
                f"SELECT {_COLUMNS} FROM tasks WHERE function = ? AND id = ?",
                (function, task_id),
            ).fetchone()
        return _task(row) if row else None

    def select(self, conditions: Sequence[tuple[str, object]], order: str) -> Iterator[Task]:
        """Return the tasks for which all conditions hold, each SQL with the value of its mark."""
        where = " AND ".join(text for text, _ in conditions) or "1"
        with self._lock:
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM tasks WHERE {where} ORDER BY {order}",
                [value for _, value in conditions],
            ).fetchall()
        return map(_task, rows)

    def counts(self) -> dict[TaskState, int]:
        """Return how many tasks are in each state."""
        with self._lock:
            rows = self._database.execute("SELECT state, count(*) FROM tasks GROUP BY state")
            return {TaskState(state): count for state, count in rows}

    def prune(self, kept: int = KEPT) -> None:
        """Forget all but the latest ``kept`` tasks that have ended."""
        with self._transaction() as database:
            database.execute(
                "DELETE FROM tasks WHERE ended IS NOT NULL AND number <= (SELECT number FROM tasks "
                "WHERE ended IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (kept,),
            )


def _insert(database: sqlite3.Connection, call: Call, task_id: str) -> None:
    now = time.time()
    database.execute(
        "INSERT INTO tasks (function, id, state, due, accepted, events, call) "
        "VALUES (?, ?, 'Enqueued', ?, ?, ?, ?)",
        (
            call.function,
            task_id,
            now,
            now,
            _event(TaskState.ENQUEUED, now),
            msgspec.msgpack.encode(call),
        ),
    )


def _event(state: TaskState, at: float, detail: str = "") -> str:
    return msgspec.json.encode(TaskEvent(state, at, detail[:1000])).decode()


def _appended() -> str:
    """Return the SQL that appends one event; events are JSON, one a line."""
    return "events || char(10) || ?"


def _task(row: Sequence[Any]) -> Task:
    *facts, events, call, answer = row
    lines = str(events).splitlines()
    names = Task.__struct_fields__
    values = dict(zip(names, facts, strict=False))
    return msgspec.convert(
        {
            **values,
            "events": [msgspec.json.decode(line, type=TaskEvent) for line in lines],
            "call": msgspec.msgpack.decode(call, type=Call),
            "answer": answer,
        },
        Task,
    )
