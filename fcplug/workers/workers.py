"""Run the plugins of one function in worker processes."""

import logging
import threading
import time
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from fcplug import logs, result
from fcplug.config.document import Document
from fcplug.config.model import FunctionSpec
from fcplug.context import Context
from fcplug.errors import FunctionTimeoutError
from fcplug.protocol import Phase
from fcplug.web.environ import body_of
from fcplug.web.response import Response
from fcplug.workers.assignment import Assignment, WorkerSettings
from fcplug.workers.pool import FAREWELL, Pool
from fcplug.workers.stream import Stream
from fcplug.workers.worker import NotTaken, Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_Value = TypeVar("_Value")

HOOK_LIMIT = 10.0  # seconds that the pre_freeze and pre_stop hooks of all workers may take


class Workers:
    """The worker processes of one function, started when calls need them.

    Each one imports the plugins, runs their initialize hooks, and serves one call at a time. If a
    worker ends, at most the call that it was serving fails.

    Deadlines are moments of ``time.monotonic()``. A plugin's exception arrives as a RemoteError.
    The methods that run hooks also raise:

    - WorkerDied: the worker ended while it ran the hook.
    - FunctionTimeoutError: the deadline passed; the worker is killed.
    - WorkerUnavailable: no worker can be started, or workers die as soon as they run.
    - PluginError: a plugin cannot be loaded.

    Attributes:
        shared_hooks: empty, because every worker has its own modules.
        shared_hooks_in_use: always False.
        package: the handler's distribution and version.
    """

    def __init__(self, spec: FunctionSpec, document: Document, settings: WorkerSettings) -> None:
        self._spec = spec
        assignment = Assignment(spec, document, settings)
        self._pool = Pool(spec.name, spec.workers or 1, lambda on_end: Worker(assignment, on_end))
        self._hooks: frozenset[str] = frozenset()
        self.shared_hooks: Set[object] = frozenset()
        self.shared_hooks_in_use = False
        self.package = ""

    def load(self) -> str:
        """Start a worker unless one is running; return the handler's package.

        Raises:
            PluginError: a plugin cannot be loaded; the next call starts another worker.
        """
        worker = self._pool.acquire()
        try:
            self._hooks = frozenset(worker.hooks)
            self.package = worker.package
            return worker.package
        finally:
            self._pool.release(worker)

    def implements(self, hook: str) -> bool:
        """Return whether a plugin has this hook.

        False until a worker has loaded the plugins.
        """
        return hook in self._hooks

    def initialize(self, context: Context, deadline: float | None = None) -> bytes:
        """Run the initialize hooks in one worker, and return their encoded result.

        Each of the other workers runs them before its first invocation.
        """
        worker, answer = self._begin(
            lambda worker: _initialize(worker, context, deadline), context, deadline
        )
        self._release(worker, context)
        return answer

    def invoke(self, event: bytes, context: Context) -> bytes:
        """Answer one event in an initialized worker.

        Returns the encoded result.
        """
        deadline = context.deadline

        def work(worker: Worker) -> bytes:
            if not worker.initialized:
                _initialize_first(worker, context, deadline)
            return worker.call("invoke", context, event, deadline)

        worker, answer = self._begin(work, context, deadline)
        self._release(worker, context)
        return answer

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request in an initialized worker.

        The worker is in use until the body is closed.
        """
        deadline = context.deadline
        body = body_of(environ)  # read once, as a second worker may have to answer

        def work(worker: Worker) -> Response:
            if not worker.initialized:
                _initialize_first(worker, context, deadline)
            head, whole = worker.web(environ, body, context, deadline)
            if whole is not None:
                return Response(head.status, head.headers, iter((whole,) if whole else ()))
            stream = Stream(worker, context, deadline)
            return Response(head.status, head.headers, stream, [stream.close])

        worker, response = self._begin(work, context, deadline)
        response.on_close.append(partial(self._release, worker, context))
        return response

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks in every initialized worker."""
        self._in_every_worker("pre_freeze", context)

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks in every initialized worker.

        They are then no longer initialized.
        """
        self._in_every_worker("pre_stop", context)

    def close(self) -> None:
        """End all workers, and reject all calls from now on."""
        self._pool.close()

    def _begin(
        self,
        work: Callable[[Worker], _Value],
        context: Context,
        deadline: float | None,
        *,
        tried: int = 0,
    ) -> tuple[Worker, _Value]:
        """Acquire a worker and do the work; try another if it ended before it started.

        All that were idle may have ended, so there is one try more than workers.
        """
        try:
            worker = self._pool.acquire(deadline, first=tried > 0)
        except TimeoutError:
            then = f"none of its {self._spec.workers or 1} workers was free"
            raise FunctionTimeoutError(self._spec.name, context.age, then) from None
        try:
            return worker, work(worker)
        except BaseException as error:
            self._release(worker, context)
            if not isinstance(error, NotTaken):
                raise
            if tried >= (self._spec.workers or 1):
                raise error.error from None
        return self._begin(work, context, deadline, tried=tried + 1)

    def _release(self, worker: Worker, context: Context) -> None:
        most = self._spec.max_calls
        if most is None or worker.answers < most or not worker.usable:
            self._pool.release(worker)
            return
        self._pool.retire(worker)
        threading.Thread(
            target=_retire, args=(worker, context), name="fcplug-worker-retire", daemon=True
        ).start()

    def _in_every_worker(self, hook: str, context: Context) -> None:
        """Run a hook in all initialized workers at the same time, then raise the first error."""
        workers = [worker for worker in self._pool.loaded if worker.initialized]
        if not workers:
            return
        deadline = _hook_deadline(context)
        with ThreadPoolExecutor(len(workers)) as threads:
            outcomes = threads.map(
                lambda worker: self._run_hook(worker, hook, context, deadline), workers
            )
            errors = [error for error in outcomes if error]
        for further in errors[1:]:
            logging.getLogger("fcplug").error("%s", result.format_error(further))
        if errors:
            raise errors[0]

    def _run_hook(
        self, worker: Worker, hook: str, context: Context, deadline: float
    ) -> Exception | None:
        try:
            if not self._pool.claim(worker, deadline):
                return None
        except TimeoutError:
            then = f"worker {worker.pid} was busy, and has not run {hook}"
            return FunctionTimeoutError(self._spec.name, context.age, then)
        try:
            if hook in worker.hooks:
                worker.call(hook, context, deadline=deadline)
        except NotTaken:
            return None  # it has just ended, so the hook is not needed
        except Exception as error:
            return error
        finally:
            worker.initialized = worker.initialized and hook != "pre_stop"
            self._pool.release(worker)
        return None


def _initialize(worker: Worker, context: Context, deadline: float | None) -> bytes:
    if worker.initialized:
        return b""
    encoded = worker.call("initialize", context, deadline=deadline)
    worker.initialized = True
    return encoded


def _initialize_first(worker: Worker, context: Context, deadline: float | None) -> None:
    """Initialize a worker that was started after the function was initialized."""
    if "initialize" not in worker.hooks:
        worker.initialized = True
        return
    with logs.PhaseLines(Phase.INITIALIZE, context):
        _initialize(worker, context, deadline)


def _retire(worker: Worker, context: Context) -> None:
    """Run the pre_stop hooks of a worker, and end it."""
    if worker.initialized and "pre_stop" in worker.hooks:
        with suppress(Exception), logs.PhaseLines(Phase.PRE_STOP, context):
            worker.call("pre_stop", context, deadline=time.monotonic() + HOOK_LIMIT)
    worker.end(FAREWELL)
    worker.close()


def _hook_deadline(context: Context) -> float:
    own = time.monotonic() + HOOK_LIMIT
    return own if context.deadline is None else min(own, context.deadline)
