"""The queue of asynchronous calls: accepts, runs, retries, and passes outcomes on."""

import logging
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from fcplug.errors import FcplugError
from fcplug.platform import headers
from fcplug.platform.answers import ApiError
from fcplug.platform.descriptions import function_arn
from fcplug.platform.model import Call, FunctionConfig, Happening, Outcome, Platform
from fcplug.platform.task import Change, Task, TaskChange, TaskState
from fcplug.platform.task_file import KEPT, TaskFile

TASK_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
MAX_AGE = 5 * 3600.0  # seconds for which FC tries a call that finds no instance
_LONGEST_PAUSE = 60.0  # seconds between two tries
_WRITE_PAUSE = 1.0  # seconds after which a file that cannot be written is tried again
_THROTTLED = (429, 503)  # the call did not run at all

log = logging.getLogger("fcplug.platform")


class AsyncQueue:
    """Runs accepted calls on a platform, each until it succeeds or its retries are used up.

    Calls of one function run side by side up to what its instances take. The pause before a retry
    is ``pause`` seconds, doubled each time, at most a minute. A call that the platform throttles
    has not run: it waits without counting as a retry, and expires after five hours. Those who
    follow the platform get each change of a task.

    Attributes:
        tasks: the file that holds them.
    """

    def __init__(
        self, platform: Platform, file: Path, *, threads: int = 32, pause: float = 1.0
    ) -> None:
        self.tasks = TaskFile(file)
        self._platform = platform
        self._pause = pause
        self._changed = threading.Condition()
        self._running: Counter[str] = Counter()
        self._closed = False
        self._settled = 0
        self._most = threads
        self._idle = 0  # threads that wait for a task: one at least, unless all run tasks
        self._threads: list[threading.Thread] = []
        self._start_thread()

    def _start_thread(self) -> None:
        name = f"fcplug-queue-{len(self._threads)}"
        self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
        self._threads[-1].start()

    def accept(self, call: Call, task_id: str = "") -> str:
        """Queue a call and return the id of its task: the request id if none is chosen.

        Raises:
            ApiError: the id is malformed or taken, or the queue cannot be written.
        """
        if task_id and not TASK_ID.fullmatch(task_id):
            raise ApiError(
                400,
                "InvalidArgument",
                f"the id {task_id[:140]!a} of the asynchronous task is malformed: it begins with a "
                "letter or an underscore, then come at most 127 letters, digits, '_' and '-'",
            )
        kind = call.kind if call.kind in ("timer", "oss") else "async"
        call = msgspec.structs.replace(call, kind=kind)
        task_id = task_id or call.request_id
        with self._changed:  # no thread takes it before it is announced
            try:
                self.tasks.add(call, task_id)
            except sqlite3.OperationalError as error:
                raise unwritable(error) from error
            self._announce(call.function, task_id, TaskState.ENQUEUED)
            self._changed.notify()
        return task_id

    def stop(self, function: str, task_id: str) -> None:
        """Stop a task: one that waits is not run, one that runs is not tried again."""
        try:
            state = self.tasks.stop(function, task_id)
        except sqlite3.OperationalError as error:
            raise unwritable(error) from error
        if state is not None:
            self._announce(function, task_id, state)

    def close(self, patience: float = 5.0) -> None:
        """Take no more tasks, and wait for those that run; others run when the file is used next.

        ``patience``: seconds. What still runs then, counts as a try that has failed.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.tasks.close()

    def _work(self) -> None:
        while not self._closed:
            try:
                task = self._take()
            except sqlite3.Error as error:
                if not self._closed:
                    log.warning("the queue waits, it cannot be written: %s", error)
                    self._wait(_WRITE_PAUSE)
                continue
            if task is not None:
                self._run(task)

    def _wait(self, seconds: float | None) -> None:
        with self._changed:
            if not self._closed:
                self._changed.wait(seconds)

    def _take(self) -> Task | None:
        """Return the next task and count it as running, or wait for a change."""
        with self._changed:
            if self._closed:
                return None
            busy = self._busy()
            task = self.tasks.claim(busy)
            if task is not None:
                self._running[task.function] += 1
                self._announce(task.function, task.id, task.state, task.retry)
                if not self._idle and len(self._threads) < self._most:
                    self._start_thread()
                return task
            due = self.tasks.next_due(busy)
            self._idle += 1
            self._changed.wait(None if due is None else max(0.0, due - time.time()))
            self._idle -= 1
            return None

    def _busy(self) -> list[str]:
        functions = self._platform.functions
        return [name for name, count in self._running.items() if count >= _room(functions, name)]

    def _run(self, task: Task) -> None:
        try:
            change, follow_up = self._try(task)
            self._settle(task, change, follow_up)
        finally:
            with self._changed:
                was_full = task.function in self._busy()
                self._running[task.function] -= 1
                if not self._running[task.function]:
                    del self._running[task.function]
                if was_full:  # else this thread takes what waits, and waking another is in vain
                    self._changed.notify()

    def _try(self, task: Task) -> tuple[Change, Call | None]:
        function = self._platform.functions.get(task.function)
        if function is None:
            text = f"function '{task.function}' does not exist any more"
            return Change(state=TaskState.INVALID, retry=task.retry, error=text), None
        outcome = self._invoke(msgspec.structs.replace(task.call, retry=task.retry))
        change = self._change(function, task, outcome)
        return self._with_destination(function, task, change, outcome)

    def _invoke(self, call: Call) -> Outcome:
        try:
            return self._platform.invoke(call)
        except ApiError as error:
            return Outcome(status=error.status, code=error.code, message=str(error))
        except Exception as error:  # one task that fails must not end its thread
            if not isinstance(error, FcplugError):
                log.exception("asynchronous call %s could not be run", call.request_id)
            return Outcome(status=500, code="InternalServerError", message=str(error))

    def _change(self, function: FunctionConfig, task: Task, outcome: Outcome) -> Change:
        now = time.time()
        age = now - task.accepted
        state, retry, due = TaskState.FAILED, task.retry, 0.0
        if outcome.succeeded or (task.call.method and not _failed_web(outcome)):
            state = TaskState.SUCCEEDED
        elif outcome.status in _THROTTLED and outcome.code:
            state = TaskState.EXPIRED if age > MAX_AGE else TaskState.ENQUEUED
            due = now + min(self._pause + age / 2, _LONGEST_PAUSE)
        elif task.retry < function.retries:
            state, retry = TaskState.RETRYING, task.retry + 1
            due = now + min(self._pause * 2**task.retry, _LONGEST_PAUSE)
        error = ""
        if state is not TaskState.SUCCEEDED:
            error = ": ".join(filter(None, [outcome.code or outcome.error_type, outcome.message]))
        return Change(
            state=state,
            retry=retry,
            due=due,
            duration_ms=outcome.duration_ms,
            instance=outcome.instance_id,
            error=error,
            answer=outcome.body,
        )

    def _with_destination(
        self, function: FunctionConfig, task: Task, change: Change, outcome: Outcome
    ) -> tuple[Change, Call | None]:
        name = None
        if change.state is TaskState.SUCCEEDED:
            name = function.destinations.on_success
        elif change.final:
            name = function.destinations.on_failure
        if name is None:
            return change, None
        target = self._platform.functions.get(name)
        if target is None:
            log.warning("function '%s' has an unknown destination '%s'", function.name, name)
            return msgspec.structs.replace(change, destination="Failed"), None
        call = Call(
            function=name,
            request_id=headers.new_request_id(target.headers),
            payload=_report(function, task, change, outcome),
            kind="async",
        )
        return msgspec.structs.replace(change, destination="Succeeded"), call

    def _settle(self, task: Task, change: Change, follow_up: Call | None) -> None:
        """Record the end of a try; a disk that is full now may have room later."""
        while True:
            try:
                self._record(task, change, follow_up)
                break
            except sqlite3.OperationalError as error:
                log.warning("the end of task '%s' cannot be written yet: %s", task.id, error)
                if self._closed:
                    return
                time.sleep(_WRITE_PAUSE)
            except sqlite3.ProgrammingError:  # closed while the call ran: it will be run again
                return
        self._settled += 1
        if self._settled % (KEPT // 10) == 0:
            with suppress(sqlite3.Error):
                self.tasks.prune()

    def _record(self, task: Task, change: Change, follow_up: Call | None) -> None:
        with self._changed:  # no thread takes the new one before it is announced
            state = self.tasks.settle(task, change, follow_up)
            self._announce(task.function, task.id, state, change.retry)
            if follow_up is not None and state is not TaskState.STOPPED:
                self._announce(follow_up.function, follow_up.request_id, TaskState.ENQUEUED)

    def _announce(self, function: str, task_id: str, state: TaskState, retry: int = 0) -> None:
        change = TaskChange(function, task_id, state, retry)
        self._platform.tell(Happening("queue", change))


def unwritable(error: sqlite3.OperationalError) -> ApiError:
    """Return the error for a caller whose request the queue cannot write."""
    return ApiError(
        503,
        "ResourceThrottled",
        f"the queue of asynchronous calls cannot be written ({error}): free some space on its "
        "disk, then send the request again",
    )


def _room(functions: Mapping[str, FunctionConfig], name: str) -> int:
    function = functions.get(name)
    return function.instance_concurrency * function.max_instances if function else 1


def _failed_web(outcome: Outcome) -> bool:
    """Return whether FC counts a web request as failed: not by its own status."""
    return bool(outcome.code or outcome.error_type)


def _report(function: FunctionConfig, task: Task, change: Change, outcome: Outcome) -> bytes:
    """Return the event that a destination gets, in FC's form."""
    document = {
        "timestamp": int(time.time() * 1000),
        "requestContext": {
            "requestId": task.call.request_id,
            "functionArn": function_arn(function, task.call.qualifier),
            "condition": outcome.code or outcome.error_type or "",
            "approximateInvokeCount": change.retry + 1,
        },
        "requestPayload": task.call.payload.decode("utf-8", "replace"),
        "responseContext": {
            "statusCode": outcome.status,
            "functionError": outcome.error_type or "",
        },
        "responsePayload": outcome.body.decode("utf-8", "replace"),
    }
    return msgspec.json.encode(document)
