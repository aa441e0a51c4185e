"""The threads of a server: one turns its loop, the others answer requests."""

import threading
import time
from collections.abc import Callable

from fcplug.server.waitress.dispatcher import Dispatcher, Seat, Task
from fcplug.server.waitress.latency_gate import Pace
from fcplug.server.waitress.wakeup import Bell

_LATE = 0.005  # seconds an answer may hold up the loop; looked at as often
_LINGER = 0.1  # seconds without such an answer until nobody looks any more
_REST = 5.0  # seconds between two looks at what the bell tells at once
_PATIENCE = 0.5  # seconds in a turn of the loop without an event


class Crew(Dispatcher):
    """Threads of which one, the leader, turns the server's loop.

    While answers are quick the leader gives them itself, between two turns: to call another thread
    takes longer. Nobody turns the loop meanwhile, so that the thread in ``keep_turning`` watches:
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
        self.bell = Bell()
        self._turn = turn
        self._wake = wake
        self._pace = Pace()
        self._leader: Seat | None = None
        self._leading = 0  # the leader's thread
        self._since = 0.0  # when not 0: when the leader began an answer
        self._answers = 0
        self._watched = False
        self._dismissed = False
        self._without_leader = threading.Condition(self._lock)
        self._error: BaseException | None = None

    def add_task(self, task: Task) -> None:
        """Have a request answered, by the leader itself after its turn while answers are quick."""
        with self._lock:
            self._queue.append(task)
            if not self._pace.quick or self._leading != threading.get_ident():
                self._pace.handed_over()
                self._call_threads()

    def keep_turning(self, until: Callable[[], bool]) -> None:
        """Have the loop turned until the claim holds; it is looked at when the bell rings.

        Raises whatever turning raises. When it returns, the loop is the caller's.
        """
        with self._lock:
            self._appoint()
            self._has_spare()
        seen, since = 0, time.monotonic()
        while not until() and self._error is None:
            self.bell.wait(_LATE if self._watched else _REST)
            now = time.monotonic()
            with self._lock:
                if self._since and now - self._since > _LATE:
                    self._pace.slow()
                    self._appoint()
                if self._answers != seen:
                    seen, since = self._answers, now
                self._watched = bool(self._since) or now - since < _LINGER
        self._dismiss()
        if self._error:
            raise self._error

    @property
    def leads(self) -> bool:
        """Whether the thread that asks is the one that turns the loop."""
        return self._leading == threading.get_ident()

    def close(self) -> None:
        """Free what only the loop's thread needs."""
        self.bell.close()

    def _appoint(self) -> None:
        """Make a free thread the leader; the lock is held."""
        if seat := self._free_seat():
            self._leader, self._leading, self._since = seat, 0, 0.0
            seat.call(lambda: self._lead(seat))

    def _dismiss(self) -> None:
        """Take the loop back: from a leader that answers at once, else after its turn."""
        with self._lock:
            self._dismissed = True
            if self._since:
                self._leader = None
            self._leading, self._since = 0, 0.0
            self._wake()
            self._without_leader.wait_for(lambda: self._leader is None)

    def _lead(self, seat: Seat) -> None:
        self._leading = threading.get_ident()
        try:
            while self._leader is seat:
                # with every thread busy, the next that is free takes what waits in line
                at_once = self._queue and self.answering < self.limit
                self._turn(0.0 if at_once else _PATIENCE)
                until = time.monotonic() + _LATE  # a line that gets no shorter must not hold it up
                while what := self._own(seat, until):
                    self._do(what)
        except BaseException as error:
            self._error = error
            with self._lock:
                self._resign()
            self.bell.ring()

    def _own(self, seat: Seat, until: float) -> Callable[[], None] | None:
        """Return the next request's answering if it is the leader's; count the one before."""
        with self._lock:
            if self._leader is not seat:
                return None  # it was late
            now = time.monotonic()
            if self._since:
                self.answering -= 1
                self._pace.answered(now - self._since)
                self._since = 0.0
            if self._dismissed:
                self._resign()
                return None
            if not self._queue or now > until:
                return None
            if not (self._pace.quick and self.answering < self.limit and self._has_spare()):
                self._call_threads()
                return None
            self.answering += 1
            self._answers += 1
            self._since = now
            ring, self._watched = not self._watched, True
            task = self._queue.popleft()
        if ring:
            self.bell.ring()
        return task.service

    def _has_spare(self) -> bool:
        """Make sure that somebody can take over; the lock is held."""
        if not self._idle and (seat := self._free_seat()):
            self._idle.append(seat)
        return bool(self._idle)

    def _resign(self) -> None:
        """Go on as any thread that has just answered; the lock is held."""
        self._leader = None
        self._leading = 0
        self.answering += 1
        self._without_leader.notify_all()
