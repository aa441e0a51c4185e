"""Who gets which worker: in the order of asking, started when first needed."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from fcplug.errors import FcplugError, WorkerDied, WorkerUnavailable
from fcplug.workers.circuit_breaker import CircuitBreaker
from fcplug.workers.worker import Worker

Make = Callable[[Callable[[Worker], None]], Worker]
FAREWELL = 1.0  # seconds in which workers may end by themselves


class _QueuedCaller:
    """A caller in the queue; ``wanted`` is set where only one worker will do."""

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
    """At most ``size`` workers, each with one holder at a time.

    A worker that is put back goes straight to the caller who has waited longest: a later one
    cannot snatch it, as from a queue.
    """

    def __init__(self, function: str, size: int, make: Make) -> None:
        self._function = function
        self._size = size
        self._make = make
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
        """Return a worker that is the caller's until it is put back.

        Args:
            deadline: a moment of ``time.monotonic()``.
            first: go before all who wait.

        Raises:
            PluginError, WorkerUnavailable: none can be started.
            TimeoutError: the deadline passed.
        """
        waiter = _QueuedCaller()
        with self._lock:
            if self._closed:
                raise self._stopped()
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                self._loaded.discard(worker)
                worker.close()
            (self._waiters.appendleft if first else self._waiters.append)(waiter)
            self._start_missing()
        taken = self._wait(waiter, deadline)
        assert taken  # noqa: S101 - only who wants one and no other gets none
        return taken

    def claim(self, worker: Worker, deadline: float) -> bool:
        """Take one worker, and no other; tell whether it could be had.

        Raises:
            TimeoutError: it was another's until the deadline.
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
        """Give a worker back, usable or not."""
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
        """Let go of a worker that has answered; it ends by itself, another may take its place."""
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
        """End every worker and refuse every caller, from now on."""
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            workers = [*self._loaded, *self._starting, *self._leaving]
            self._idle.clear()
            self._loaded.clear()
            self._fail_waiting(self._stopped())
        for worker in workers:
            worker.hang_up()  # all at once, before waiting for each
        end = time.monotonic() + FAREWELL
        for worker in workers:
            worker.end(max(0.0, end - time.monotonic()))
        for worker in idle:  # the others are closed by who holds them
            worker.close()

    def _wait(self, waiter: _QueuedCaller, deadline: float | None) -> Worker | None:
        left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            served = waiter.served.acquire(timeout=min(left, threading.TIMEOUT_MAX))
        except BaseException:  # a KeyboardInterrupt must not lose the worker that just came
            if self._leave(waiter) and waiter.worker:
                self.release(waiter.worker)
            raise
        if not served and not self._leave(waiter):
            raise TimeoutError
        if waiter.error:
            raise waiter.error
        return waiter.worker

    def _leave(self, waiter: _QueuedCaller) -> bool:
        """Leave the queue; tell whether the waiter was served before it could."""
        with self._lock:
            for queue in (self._waiters, self._claims):
                if waiter in queue:
                    queue.remove(waiter)
                    return False
        return True

    # What follows is called with the lock held.

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
        """Start as many workers as callers wait for and places are free."""
        starting = len(self._starting)
        room = min(len(self._waiters) - starting, self._size - len(self._loaded) - starting)
        if room > 0 and self._circuit.open:
            if not self._loaded and not starting:
                fix = "correct what ends them; the next call after that time tries again"
                self._fail_waiting(WorkerUnavailable(self._function, self._circuit.why, fix))
            return
        for _ in range(room):
            worker = self._make(self._on_process_end)
            self._starting.add(worker)
            threading.Thread(
                target=self._start, args=(worker,), name="fcplug-worker-start", daemon=True
            ).start()

    def _fail_waiting(self, error: FcplugError) -> None:
        while self._waiters:
            self._waiters.popleft().give(None, error)

    def _stopped(self) -> WorkerUnavailable:
        return WorkerUnavailable(self._function, "it was stopped", "call the running instance")

    # What follows runs on the threads of workers.

    def _start(self, worker: Worker) -> None:
        """Start a worker and hand it out; of its failure tell those whom nobody else can serve."""
        error: FcplugError | None = None
        try:
            worker.start()
        except FcplugError as failure:
            error = failure
        except BaseException as failure:
            error = WorkerUnavailable(self._function, repr(failure), "report this fault of fcplug")
        with self._lock:
            self._starting.discard(worker)
            closed = self._closed
            if closed:
                pass  # it was hung up on, and nobody waits
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
        """Take note that a process has ended, whoever has it."""
        with self._lock:
            self._leaving.discard(worker)
            if worker in self._loaded:
                self._remove(worker)
