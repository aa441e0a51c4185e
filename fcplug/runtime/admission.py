"""How many invocations of a function run at once, and how long each may take."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fcplug.concurrency.bulkhead import Bulkhead
from fcplug.concurrency.deadline import DeadlineExecutor
from fcplug.concurrency.threads import ThreadPool
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.web.response import Response

if TYPE_CHECKING:
    from fcplug.concurrency.stepper import SteppedTask

_MOST_ABANDONED = 8  # invocations of one function that may run past their deadline


class Admission(NamedTuple):
    """The limits of an invocation, from its begin to its end; an edit does not change them for it.

    Both ways to run one raise what the work raises, and:

    - ConcurrencyExceeded: as many run and wait as may, or too many were abandoned and still run.
    - FunctionTimeoutError: the time is up; the work may go on, and its result is lost.
    """

    bulkhead: Bulkhead | None
    deadlines: DeadlineExecutor | None

    def invoke(self, work: Callable[[], bytes], own: Context) -> bytes:
        """Run an invocation within the limits, and return its result."""
        self._admit(own.deadline)
        if self.deadlines and own.deadline is not None:
            return self.deadlines.run(work, own.deadline, cancel=own.cancel, on_end=self._leave)
        try:
            return work()
        finally:
            self._leave()

    def web(self, work: Callable[[], Response], own: Context) -> Response:
        """Run a web request within the limits; until the response is closed it counts as running.

        With a deadline all of it runs on one thread, from the application's call to its close.
        """
        self._admit(own.deadline)
        if self.deadlines and own.deadline is not None:
            from fcplug.concurrency.stepper import SteppedTask  # noqa: PLC0415 - for web requests

            answer = _SteppedAnswer(work)
            return answer.run(
                SteppedTask(
                    self.deadlines,
                    own.deadline,
                    cancel=own.cancel,
                    at_end=answer.close,
                    on_end=self._leave,
                )
            )
        try:
            response = work()
        except BaseException:
            self._leave()
            raise
        response.on_close.append(self._leave)
        return response

    def _admit(self, deadline: float | None) -> None:
        if self.deadlines:
            self.deadlines.admit()  # first: nothing waits in line behind invocations that hang
        if self.bulkhead:
            self.bulkhead.enter(deadline)

    def _leave(self) -> None:
        if self.bulkhead:
            self.bulkhead.leave()


class AdmissionControl:
    """Applies the limits of an entry; invocations that run already go on counting.

    Attributes:
        current: for new invocations; None where nothing is limited.
    """

    def __init__(self, spec: FunctionSpec, threads: ThreadPool) -> None:
        self._threads = threads
        self._bulkhead: Bulkhead | None = None
        self._deadlines: DeadlineExecutor | None = None
        self.current: Admission | None = None
        self.apply(spec)

    def apply(self, spec: FunctionSpec) -> None:
        """Use the limits of this entry from now on."""
        if spec.concurrency and self._bulkhead:
            self._bulkhead.resize(spec.concurrency, spec.queue)
        elif spec.concurrency:
            self._bulkhead = Bulkhead(spec.name, spec.concurrency, spec.queue)
        most = min(_MOST_ABANDONED, spec.concurrency or _MOST_ABANDONED)
        has_deadline = spec.timeout is not None and spec.isolation == "thread"
        if self._deadlines:
            self._deadlines.max_abandoned = most
        elif has_deadline:
            self._deadlines = DeadlineExecutor(spec.name, self._threads, most)
        bulkhead = self._bulkhead if spec.concurrency else None
        deadlines = self._deadlines if has_deadline else None
        self.current = Admission(bulkhead, deadlines) if bulkhead or deadlines else None


class _SteppedAnswer:
    """The steps of one web answer that has a deadline."""

    def __init__(self, work: Callable[[], Response]) -> None:
        self._work = work
        self._response: Response | None = None

    def run(self, steps: "SteppedTask") -> Response:
        """Return a response each of whose chunks is a step; to close it ends the steps."""
        try:
            response = steps.do(self._begin)
        except BaseException:
            steps.end()
            raise
        chunks = iter(partial(steps.do, self._next_chunk), None)
        return Response(response.status, response.headers, chunks, [steps.end])

    def close(self) -> None:
        """Close the application's answer, if it gave one."""
        if self._response:
            self._response.close()

    def _begin(self) -> Response:
        self._response = self._work()
        return self._response

    def _next_chunk(self) -> bytes | None:
        return next(self._response.body, None) if self._response else None
