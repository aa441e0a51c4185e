"""An asynchronous call as the queue keeps it."""

import enum
from collections.abc import Sequence

import msgspec

from fcplug.platform.model import Call


class TaskState(enum.Enum):
    """Where an asynchronous call is; the names are FC's."""

    ENQUEUED = "Enqueued"
    RUNNING = "Running"
    RETRYING = "Retrying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    EXPIRED = "Expired"
    INVALID = "Invalid"


class TaskEvent(msgspec.Struct, frozen=True):
    """A change of a task's state; ``at`` is seconds since the epoch."""

    state: TaskState
    at: float
    detail: str = ""


class TaskChange(msgspec.Struct, frozen=True):
    """What happened to a task, for those who follow the queue: its state from now on.

    ``retry`` is the try that runs, or runs next; 0 is the first.
    """

    function: str
    id: str
    state: TaskState
    retry: int = 0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One asynchronous call. Times are seconds since the epoch, None if they have not come.

    Attributes:
        number: the order in which tasks were accepted.
        retry: which try runs, or runs next; 0 is the first.
        due: when the next try may begin.
        error: why the last try failed.
        destination: whether the outcome was queued for its destination; empty if it has none.
        answer: of the last try, at most 1 MB of it.
    """

    number: int
    function: str
    id: str
    state: TaskState
    retry: int
    due: float
    accepted: float
    started: float | None
    ended: float | None
    duration_ms: float | None
    instance: str
    error: str
    destination: str
    events: Sequence[TaskEvent]
    call: Call
    answer: bytes


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a task after a try."""

    state: TaskState
    retry: int
    due: float = 0.0
    duration_ms: float = 0.0
    instance: str = ""
    error: str = ""
    destination: str = ""
    answer: bytes = b""

    @property
    def final(self) -> bool:
        """Whether the task has ended."""
        return self.state not in (TaskState.ENQUEUED, TaskState.RETRYING)
