"""Threads of which one runs the event loop and answers quick requests itself: leader and followers.

What it earns: waking another thread for each request costs more than a quick handler takes. With
16 connections the calls of the kernel for one request fell from 57 to 4, and the throughput on one
core rose to 1.9 times that of a minimal Falcon on waitress.
"""

import threading
import time
from collections.abc import Callable

from fcplug.server.waitress.adaptive_gate import AdaptiveGate
from fcplug.server.waitress.dispatcher import Dispatcher, Job, PendingRequest, PooledThread
from fcplug.server.waitress.wakeup import Wakeup
from fcplug.server.waitress.watched_thread import WatchedThread

_QUICK = 0.0005  # seconds: for an answer that takes longer, handing it over costs little
_LATE = 0.005  # seconds that one answer of the leader may delay the loop; checked as often
_WATCH_FOR = 0.001  # seconds that the main thread watches what a late leader does
_CHECK_FOR = 0.1  # seconds after the leader's last answer during which the main thread still checks
_IDLE_WAIT = 5.0  # seconds that the main thread waits otherwise; `wakeup` ends the wait
_TURN_TIMEOUT = 0.5  # seconds that one turn of the loop waits for events


class LeaderFollowers(Dispatcher):
    """A dispatcher whose leader turns the server's event loop, and answers while that is quick.

    At most ``limit`` requests are answered at the same time, by ``limit + 1`` threads, so that one
    thread is always free to lead. Each thread is in one of these states::

                  a request is                   _start_leader
        ┌───────────┐ assigned ┌──────┐ ─────────────────────▶ ┌─────────────────┐
        │ answering │ ◀─────── │ idle │                        │ leading:        │
        └───────────┘ ───────▶ └──────┘ ◀── _step_down ─────── │ turns the loop  │
                       queue is   ▲                            └─────────────────┘
                       empty      │                     takes a  │            ▲ answered
                                  │                     request  ▼            │ in time
                                  │                            ┌─────────────────┐
                                  └── another leads: ───────── │ leading:        │
                                      the answer was late      │ answers         │
                                                               └─────────────────┘

    No thread turns the loop while the leader answers. So the main thread, in ``run_until``, checks
    every 5 ms (``_LATE``) how long that takes:

    1.  The answer is in time: the leader counts it and takes the next request or turns the loop.
    2.  It is late: the main thread makes a free thread the leader. The late thread finds out when
        its answer is sent, and goes on as a follower. The gate closes: for a while all requests
        are handed over. It stays open if the late thread could run but other processes have the
        processors (``_starves``): this says nothing about the handler.
    3.  ``until()`` is true: the main thread takes the loop back. A leader that answers loses it at
        once, one that turns the loop steps down after the turn. Then the caller turns the loop.

    So at every moment at most one thread turns the loop. The fields, which change with ``_lock``
    held (only ``_leader_ident`` and ``_error`` are also set by the leader without it):

    ``_leader``           the thread that may turn the loop. None: the loop is the main thread's.
    ``_leader_ident``     its ``threading.get_ident()``. 0 until it has begun to lead.
    ``_answering_since``  0.0 while the leader turns the loop, else when its answer began
                          (``time.monotonic()``).
    ``_watched``          the leader, for the main thread to watch.
    ``_own_answers``      how many the leaders have begun: shows the main thread that they still do.
    ``_checking``         whether the main thread checks every 5 ms. The leader wakes it if not.
    ``_ending``           ``until()`` is true: the leader steps down as soon as it can.
    ``_error``            what a turn of the loop raised: it ends ``run_until``.

    Args:
        limit: requests answered at the same time.
        turn: turns the loop once, waiting at most the given seconds; only the leader calls it.
        wake: ends a turn that waits, from any thread.
        answer_on_loop: False hands every request to a follower.
    """

    def __init__(
        self,
        limit: int,
        turn: Callable[[float], None],
        wake: Callable[[], None],
        *,
        answer_on_loop: bool = True,
    ) -> None:
        super().__init__("worker", limit, other=1)
        self.wakeup = Wakeup()
        self._turn = turn
        self._wake = wake
        self._gate = AdaptiveGate(enabled=answer_on_loop)
        self._leader: PooledThread | None = None
        self._leader_ident = 0
        self._answering_since = 0.0
        self._watched = WatchedThread()
        self._own_answers = 0
        self._checking = False
        self._ending = False
        self._leader_gone = threading.Condition(self._lock)
        self._error: BaseException | None = None

    @property
    def is_leader(self) -> bool:
        """Whether the current thread is the one that turns the loop."""
        return self._leader_ident == threading.get_ident()

    def add_task(self, task: PendingRequest) -> None:
        """Queue a request: for the leader while answers are quick, else for a follower."""
        with self._lock:
            self._queue.append(task)
            if not self._gate.is_open or self._leader_ident != threading.get_ident():
                self._gate.skipped()
                self._assign_waiting()

    def run_until(self, until: Callable[[], bool]) -> None:
        """Run the loop in another thread until ``until()`` is true.

        ``until`` is called again after each ``wakeup``. When this returns, no other thread turns
        the loop: the caller may. Raises what a turn of the loop has raised.
        """
        with self._lock:
            self._start_leader()
            self._ensure_idle_thread()
        seen, seen_at = 0, time.monotonic()
        while not until() and self._error is None:
            self.wakeup.wait(_LATE if self._checking else _IDLE_WAIT)
            self._replace_late_leader()
            now = time.monotonic()
            with self._lock:
                if self._own_answers != seen:
                    seen, seen_at = self._own_answers, now
                self._checking = bool(self._answering_since) or now - seen_at < _CHECK_FOR
        self._take_loop_back()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the descriptors of ``wakeup``."""
        self.wakeup.close()

    def _replace_late_leader(self) -> None:
        """Make another thread the leader if this one's answer is late; decide who answers next."""
        since = self._answering_since
        if not since or time.monotonic() - since <= _LATE:
            return
        starves = self._starves()
        with self._lock:
            if self._answering_since == since:  # it is still the same answer
                if starves:
                    self._gate.tried(paid=False)
                else:
                    self._gate.close()
                self._start_leader()

    def _starves(self) -> bool:
        """Watch the leader for a while: can it run, but mostly waits for a processor?"""
        before = self._watched.processor_time()
        self.wakeup.wait(_WATCH_FOR)
        ran = self._watched.processor_time() - before
        return ran < _WATCH_FOR / 2 and self._watched.is_ready()

    def _start_leader(self) -> None:
        """Make a free thread the leader, if there is one; the lock is held."""
        if thread := self._free_thread():
            self._leader, self._leader_ident, self._answering_since = thread, 0, 0.0
            thread.assign(lambda: self._lead(thread))

    def _ensure_idle_thread(self) -> bool:
        """Start a thread that can take over if none is idle; return whether one is."""
        if not self._idle and (thread := self._free_thread()):
            self._idle.append(thread)
        return bool(self._idle)

    def _take_loop_back(self) -> None:
        """End the leader's part: at once if it answers, else after its turn of the loop."""
        with self._lock:
            self._ending = True
            if self._answering_since:
                self._leader = None
            self._leader_ident, self._answering_since = 0, 0.0
            self._wake()
            self._leader_gone.wait_for(lambda: self._leader is None)

    def _lead(self, thread: PooledThread) -> None:
        """Turn the loop and answer, until another thread leads: a job of ``thread``."""
        self._watched = WatchedThread()
        self._leader_ident = threading.get_ident()
        try:
            while self._leader is thread:
                # do not wait for events while a request could be answered
                answerable = self._queue and self.answering < self.limit
                self._turn(0.0 if answerable else _TURN_TIMEOUT)
                # a queue that never gets empty must not delay the loop
                until = time.monotonic() + _LATE
                while job := self._next_own_answer(thread, until):
                    self._run(job)
        except BaseException as error:
            self._error = error
            with self._lock:
                self._step_down()
            self.wakeup.notify()

    def _next_own_answer(self, thread: PooledThread, until: float) -> Job | None:
        """Count the leader's last answer; return the next one it may give, or None."""
        with self._lock:
            if self._leader is not thread:
                return None  # its last answer was late
            now = time.monotonic()
            if self._answering_since:
                self.answering -= 1
                self._gate.tried(paid=now - self._answering_since <= _QUICK)
                self._answering_since = 0.0
            if self._ending:
                self._step_down()
                return None
            if not self._queue or now > until:
                return None
            may_answer = self._gate.is_open and self.answering < self.limit
            if not (may_answer and self._ensure_idle_thread()):
                self._assign_waiting()
                return None
            self.answering += 1
            self._own_answers += 1
            self._answering_since = now
            must_wake, self._checking = not self._checking, True
            task = self._queue.popleft()
        if must_wake:
            self.wakeup.notify()
        return task.service

    def _step_down(self) -> None:
        """Become a follower that has just answered, as ``_work`` expects; the lock is held."""
        self._leader = None
        self._leader_ident = 0
        self.answering += 1
        self._leader_gone.notify_all()
