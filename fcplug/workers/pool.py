"""Lend workers to callers in order, and start workers when needed.

The states of a worker::

    starting --loaded--> idle <--release / acquire--> in use
        |                  |                             |
        |                  +---- process ended ----------+---- process ended, or not usable
        v                                                v
    failed                                             closed

    in use --retire--> leaving --process ended--> closed

``_loaded`` holds idle workers and those in use; ``_idle`` only the first. A caller who finds no
idle worker joins a queue: ``_waiters`` takes any worker, ``_claims`` one particular worker.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from fcplug.errors import FcplugError, WorkerDied, WorkerUnavailable
from fcplug.workers.circuit_breaker import CircuitBreaker
from fcplug.workers.worker import Worker

Factory = Callable[[Callable[[Worker], None]], Worker]
FAREWELL = 1.0  # seconds for workers to exit by themselves


class _QueuedCaller:
    """A caller in a queue; ``wanted`` is the one worker that it accepts, or None for any.

    The caller waits for the lock ``served``, which ``give`` releases.
    """

    def __init__(self, wanted: Worker | None = None) -> None:
        self.wanted = wanted
        self.worker: Worker | None = None
        self.error: FcplugError | None = None
        self.served = threading.Lock()
        self.served.acquire()

    def give(self, worker: Worker | None, error: FcplugError | None = None) -> None:
        self.worker, self.error = worker, error
        self.served.release()


class Pool:
    """At most ``size`` workers, each used by one caller at a time.

    A released worker goes directly to the caller who has waited longest, so a later caller cannot
    overtake.
    """

    def __init__(self, function: str, size: int, factory: Factory) -> None:
        self._function = function
        self._size = size
        self._factory = factory
        self._lock = threading.Lock()
        self._circuit = CircuitBreaker()
        self._idle: list[Worker] = []
        self._loaded: set[Worker] = set()
        self._starting: set[Worker] = set()
        self._leaving: set[Worker] = set()
        self._waiters: deque[_QueuedCaller] = deque()
        self._claims: list[_QueuedCaller] = []
        self._closed = False

    def acquire(self, deadline: float | None = None, *, first: bool = False) -> Worker:
        """Return a worker for the caller's exclusive use until ``release``.

        It may have just ended: then a call of it raises ``NotTaken``.

        Args:
            deadline: a moment of ``time.monotonic()``.
            first: go to the front of the queue.

        Raises:
            PluginError, WorkerUnavailable: no worker can be started.
            TimeoutError: the deadline passed.
        """
        with self._lock:
            if self._closed:
                raise self._stopped()
            if self._idle:
                return self._idle.pop()
            waiter = _QueuedCaller()
            (self._waiters.appendleft if first else self._waiters.append)(waiter)
            self._start_missing()
        if acquired := self._wait(waiter, deadline):
            return acquired
        raise self._stopped()  # only callers of ``claim`` get no worker

    def claim(self, worker: Worker, deadline: float) -> bool:
        """Acquire this worker; return False if it has ended.

        Raises:
            TimeoutError: another caller used it until the deadline.
        """
        waiter = _QueuedCaller(worker)
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                return True
            if worker not in self._loaded:
                return False
            self._claims.append(waiter)
        return self._wait(waiter, deadline) is worker

    def release(self, worker: Worker) -> None:
        """Return a worker to the pool, usable or not."""
        with self._lock:
            if worker.answers:
                self._circuit.record_answer()
            elif worker.fault:
                self._circuit.record_death(str(worker.fault))
            if worker.usable and worker in self._loaded:
                return self._hand_out(worker)
            self._remove(worker)
        return worker.close()

    def retire(self, worker: Worker) -> None:
        """Remove a worker, so that its caller can end it.

        Another one may start in its place.
        """
        with self._lock:
            self._circuit.record_answer()
            self._leaving.add(worker)
            self._remove(worker)

    @property
    def loaded(self) -> list[Worker]:
        """The workers that have loaded the function."""
        with self._lock:
            return list(self._loaded)

    def close(self) -> None:
        """End all workers, and reject all callers from now on."""
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            workers = [*self._loaded, *self._starting, *self._leaving]
            self._idle.clear()
            self._loaded.clear()
            self._fail_waiting(self._stopped())
        for worker in workers:
            worker.hang_up()  # tell all of them before waiting for each
        end = time.monotonic() + FAREWELL
        for worker in workers:
            worker.end(max(0.0, end - time.monotonic()))
        for worker in idle:  # the callers close the workers that they use
            worker.close()

    def _wait(self, waiter: _QueuedCaller, deadline: float | None) -> Worker | None:
        left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            served = waiter.served.acquire(timeout=min(left, threading.TIMEOUT_MAX))
        except BaseException:  # a KeyboardInterrupt must not lose a worker that was just assigned
            if self._leave(waiter) and waiter.worker:
                self.release(waiter.worker)
            raise
        if not served and not self._leave(waiter):
            raise TimeoutError
        if waiter.error:
            raise waiter.error
        return waiter.worker

    def _leave(self, waiter: _QueuedCaller) -> bool:
        """Leave the queue; return whether the caller was served before that."""
        with self._lock:
            for queue in (self._waiters, self._claims):
                if waiter in queue:
                    queue.remove(waiter)
                    return False
        return True

    # The methods below are called with the lock held.

    def _hand_out(self, worker: Worker) -> None:
        for claim in self._claims:
            if claim.wanted is worker:
                self._claims.remove(claim)
                return claim.give(worker)
        if self._waiters:
            return self._waiters.popleft().give(worker)
        return self._idle.append(worker)

    def _remove(self, worker: Worker) -> None:
        self._loaded.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
            worker.close()
        for claim in [claim for claim in self._claims if claim.wanted is worker]:
            self._claims.remove(claim)
            claim.give(None)
        self._start_missing()

    def _start_missing(self) -> None:
        """Start a worker for each waiting caller, up to the size of the pool."""
        starting = len(self._starting)
        room = min(len(self._waiters) - starting, self._size - len(self._loaded) - starting)
        if room > 0 and self._circuit.open:
            if not self._loaded and not starting:
                fix = "correct what ends them; a call after this time starts one again"
                self._fail_waiting(WorkerUnavailable(self._function, self._circuit.why, fix))
            return
        for _ in range(room):
            worker = self._factory(self._on_process_end)
            self._starting.add(worker)
            threading.Thread(
                target=self._start, args=(worker,), name="fcplug-worker-start", daemon=True
            ).start()

    def _fail_waiting(self, error: FcplugError) -> None:
        while self._waiters:
            self._waiters.popleft().give(None, error)

    def _stopped(self) -> WorkerUnavailable:
        return WorkerUnavailable(self._function, "it was stopped", "call the running instance")

    # The methods below run on the threads of workers.

    def _start(self, worker: Worker) -> None:
        """Start a worker and hand it out; fail the waiting callers if no other can serve them."""
        error: FcplugError | None = None
        try:
            worker.start()
        except FcplugError as failure:
            error = failure
        except BaseException as failure:
            error = WorkerUnavailable(self._function, repr(failure), "report this bug of fcplug")
        with self._lock:
            self._starting.discard(worker)
            closed = self._closed
            if closed:
                pass  # the pool was closed, and no caller waits
            elif error is None:
                self._loaded.add(worker)
                self._hand_out(worker)
            elif isinstance(error, WorkerDied):
                self._circuit.record_death(str(error))
                self._start_missing()
            elif not self._loaded and not self._starting:
                self._fail_waiting(error)
            else:
                logging.getLogger("fcplug").error("%s", error)
        if closed:
            worker.close()

    def _on_process_end(self, worker: Worker) -> None:
        """Remove a worker whose process has ended, idle or in use."""
        with self._lock:
            self._leaving.discard(worker)
            if worker in self._loaded:
                self._remove(worker)
