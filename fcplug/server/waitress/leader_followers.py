"""The threads of a server: one turns its loop, the others answer requests."""

import threading
import time
from collections.abc import Callable

from fcplug.server.waitress.dispatcher import Dispatcher, PendingRequest, PooledThread
from fcplug.server.waitress.latency_gate import LatencyGate
from fcplug.server.waitress.wakeup import Wakeup

_LATE_AFTER = 0.005  # seconds an answer may hold up the loop; looked at as often
_WATCH_FOR = 0.1  # seconds without such an answer until nobody looks any more
_IDLE_CHECK = 5.0  # seconds between two looks at what the wakeup tells at once
_TURN_TIMEOUT = 0.5  # seconds in a turn of the loop without an event


class LeaderFollowers(Dispatcher):
    """Threads of which one, the leader, turns the server's loop.

    While answers are quick the leader gives them itself, between two turns: to call another thread
    takes longer. Nobody turns the loop meanwhile, so that the thread in ``run_until`` watches:
    if an answer is late another thread becomes the leader at once, and for a while requests are
    handed over. At most ``limit`` requests are answered at a time and there is one thread more: so
    one is always free to lead.

    Args:
        limit: requests answered at a time.
        turn: turns the loop once, waiting at most so many seconds; only the leader calls it.
        wake: ends a turn that waits, from any thread.
    """

    def __init__(self, limit: int, turn: Callable[[float], None], wake: Callable[[], None]) -> None:
        super().__init__("worker", limit, other=1)
        self.wakeup = Wakeup()
        self._turn = turn
        self._wake = wake
        self._gate = LatencyGate()
        self._leader: PooledThread | None = None
        self._leader_ident = 0  # the leader's thread
        self._answering_since = 0.0  # when not 0: when the leader began an answer
        self._own_answers = 0
        self._watched = False
        self._ending = False
        self._leader_gone = threading.Condition(self._lock)
        self._error: BaseException | None = None

    def add_task(self, task: PendingRequest) -> None:
        """Have a request answered, by the leader itself after its turn while answers are quick."""
        with self._lock:
            self._queue.append(task)
            if not self._gate.quick or self._leader_ident != threading.get_ident():
                self._gate.handed_over()
                self._assign_waiting()

    def run_until(self, until: Callable[[], bool]) -> None:
        """Have the loop turned until the claim holds; it is looked at when the wakeup rings.

        Raises whatever turning raises. When it returns, the loop is the caller's.
        """
        with self._lock:
            self._start_leader()
            self._ensure_idle_thread()
        seen, since = 0, time.monotonic()
        while not until() and self._error is None:
            self.wakeup.wait(_LATE_AFTER if self._watched else _IDLE_CHECK)
            now = time.monotonic()
            with self._lock:
                if self._answering_since and now - self._answering_since > _LATE_AFTER:
                    self._gate.slow()
                    self._start_leader()
                if self._own_answers != seen:
                    seen, since = self._own_answers, now
                self._watched = bool(self._answering_since) or now - since < _WATCH_FOR
        self._end_leadership()
        if self._error:
            raise self._error

    @property
    def is_leader(self) -> bool:
        """Whether the thread that asks is the one that turns the loop."""
        return self._leader_ident == threading.get_ident()

    def close(self) -> None:
        """Free what only the loop's thread needs."""
        self.wakeup.close()

    def _start_leader(self) -> None:
        """Make a free thread the leader; the lock is held."""
        if pooled := self._free_thread():
            self._leader, self._leader_ident, self._answering_since = pooled, 0, 0.0
            pooled.assign(lambda: self._lead(pooled))

    def _end_leadership(self) -> None:
        """Take the loop back: from a leader that answers at once, else after its turn."""
        with self._lock:
            self._ending = True
            if self._answering_since:
                self._leader = None
            self._leader_ident, self._answering_since = 0, 0.0
            self._wake()
            self._leader_gone.wait_for(lambda: self._leader is None)

    def _lead(self, pooled: PooledThread) -> None:
        self._leader_ident = threading.get_ident()
        try:
            while self._leader is pooled:
                # with every thread busy, the next that is free takes what waits in line
                at_once = self._queue and self.answering < self.limit
                self._turn(0.0 if at_once else _TURN_TIMEOUT)
                # a line that gets no shorter must not hold up the loop
                until = time.monotonic() + _LATE_AFTER
                while job := self._next_own_answer(pooled, until):
                    self._run(job)
        except BaseException as error:
            self._error = error
            with self._lock:
                self._step_down()
            self.wakeup.notify()

    def _next_own_answer(self, pooled: PooledThread, until: float) -> Callable[[], None] | None:
        """Return the next request's answering if it is the leader's; count the one before."""
        with self._lock:
            if self._leader is not pooled:
                return None  # it was late
            now = time.monotonic()
            if self._answering_since:
                self.answering -= 1
                self._gate.answered(now - self._answering_since)
                self._answering_since = 0.0
            if self._ending:
                self._step_down()
                return None
            if not self._queue or now > until:
                return None
            may_answer = self._gate.quick and self.answering < self.limit
            if not (may_answer and self._ensure_idle_thread()):
                self._assign_waiting()
                return None
            self.answering += 1
            self._own_answers += 1
            self._answering_since = now
            ring, self._watched = not self._watched, True
            task = self._queue.popleft()
        if ring:
            self.wakeup.notify()
        return task.service

    def _ensure_idle_thread(self) -> bool:
        """Make sure that somebody can take over; the lock is held."""
        if not self._idle and (pooled := self._free_thread()):
            self._idle.append(pooled)
        return bool(self._idle)

    def _step_down(self) -> None:
        """Go on as any thread that has just answered; the lock is held."""
        self._leader = None
        self._leader_ident = 0
        self.answering += 1
        self._leader_gone.notify_all()
