"""Time triggers: a thread that fires each when it is due, as FC does."""

import threading
import time
from collections.abc import Callable, Iterable

from fcplug.cron import Schedule
from fcplug.platform.model import TimerTrigger

_LOOK = 1.0  # seconds at most between two looks at the clock, which a sleeping machine moves
_LATE = 10.0  # seconds after which a time counts as missed
_BACK = 3600.0  # seconds: a clock that is set back further was wrong before

Clock = Callable[[], float]


class Timers:
    """Fires time triggers until it is closed.

    A time that passes while the machine sleeps is missed: FC would have sent the event, and here
    nothing makes up for it. A clock that is set back by up to an hour lets nothing fire twice.

    Args:
        fire: gets each trigger when it is due, and the time it was due.
        missed: gets each trigger that was due more than ten seconds ago, and that time.
        clock: returns seconds since the epoch.
    """

    # Each trigger has one time when it is due next. Only the thread moves it on, and replace()
    # adds and removes triggers; both hold the lock. Nothing is called back under the lock.

    def __init__(
        self,
        fire: Callable[[TimerTrigger, float], None],
        missed: Callable[[TimerTrigger, float], None],
        clock: Clock = time.time,
    ) -> None:
        self._fire = fire
        self._missed = missed
        self._clock = clock
        self._due: dict[TimerTrigger, tuple[Schedule, float | None]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="fcplug-timers", daemon=True)
        self._thread.start()

    def replace(self, triggers: Iterable[TimerTrigger]) -> None:
        """Fire these from now on; those that were there before keep their next time.

        Raises:
            UnknownZone: one has a time zone that is not known here; then nothing changes.
        """
        now = self._clock()
        with self._changed:
            due = {}
            for trigger in triggers:
                schedule = Schedule(trigger.expression, now)
                due[trigger] = self._due.get(trigger) or (schedule, schedule.next(now))
            self._due = due
            self._changed.notify()

    def close(self) -> None:
        """Fire nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        last = self._clock()
        while True:
            now = self._clock()
            for trigger, due in self._take(now, last):
                (self._fire if now - due <= _LATE else self._missed)(trigger, due)
            last = now
            with self._changed:
                if self._closed:
                    return
                self._changed.wait(self._pause())

    def _take(self, now: float, last: float) -> list[tuple[TimerTrigger, float]]:
        """Return what is due, and move it on to its next time."""
        taken = []
        with self._changed:
            for trigger, (schedule, due) in self._due.items():
                if due is not None and due <= now:
                    taken.append((trigger, due))
                    self._due[trigger] = schedule, schedule.next(now)
                elif now < last - _BACK:
                    self._due[trigger] = schedule, schedule.next(now)
        return taken

    def _pause(self) -> float | None:
        """Return the seconds until the next look, None for one after a change only."""
        now = self._clock()
        pauses = [due - now for _, due in self._due.values() if due is not None]
        return max(0.0, min(_LOOK, *pauses)) if pauses else None
