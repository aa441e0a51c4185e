"""A bar: a claim about the runtime under stress, what is run to prove it, and what came of it."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Report:
    """What a run found: figures for people, and which of them are not good enough."""

    def __init__(self, name: str, *, talks: bool = True) -> None:
        self.figures: list[str] = []
        self.missed: list[str] = []
        self.late: list[str] = []
        self.seconds = 0.0
        self._name = name
        self._talks = talks
        self._began = self._told = time.monotonic()

    def progress(self, text: str) -> None:
        """Say how far the run is, at most once in two seconds."""
        now = time.monotonic()
        if self._talks and now - self._told >= 2:
            self._told = now
            print(f"  {self._name} {now - self._began:4.0f} s: {text}", flush=True)

    def figure(self, text: str) -> None:
        """Note a figure that no bar is set for."""
        self.figures.append(text)

    def expect(self, holds: bool, text: str) -> None:
        """Note a figure, and whether it is good enough."""
        self.figures.append(text)
        if not holds:
            self.missed.append(text)

    def expect_within(self, seconds: float, limit: float, what: str) -> None:
        """Note a time; a machine that is busy with other things makes it longer than it is."""
        text = f"{what} {seconds * 1000:.0f} ms (<= {limit * 1000:.0f})"
        self.figures.append(text)
        if seconds > limit:
            self.late.append(text)

    def done(self) -> None:
        """Take the time."""
        self.seconds = time.monotonic() - self._began

    @property
    def verdict(self) -> str:
        """Return in a word or two whether the bar is met."""
        if self.missed:
            return "MISSED"
        return "LATE" if self.late else "met"


class Bar(NamedTuple):
    """One row of the table: ``run`` gets a size, of which ``full`` proves the claim."""

    number: int
    name: str
    claim: str
    full: int
    small: int
    run: Callable[[int, Report], None]

    def measure(self, size: int, *, talks: bool = True) -> Report:
        """Run it and return the report; an error counts as a miss."""
        report = Report(self.name, talks=talks)
        try:
            self.run(size, report)
        except Exception as error:
            report.missed.append(f"{type(error).__name__}: {error}")
        report.done()
        return report


class Crowd:
    """Threads that work until they are stopped; the first error of one is raised for all."""

    def __init__(self, number: int, work: Callable[[int, threading.Event], None]) -> None:
        self.stop = threading.Event()
        self._work = work
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(index,), daemon=True)
            for index in range(number)
        ]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(60)
        if self._errors and raised[0] is None:
            raise self._errors[0]

    def _run(self, index: int) -> None:
        try:
            self._work(index, self.stop)
        except BaseException as error:
            self._errors.append(error)


def percentile(times: Sequence[float], percent: float) -> float:
    """Return a time that so many percent of all do not exceed; 0 of none."""
    return sorted(times)[min(len(times) - 1, int(len(times) * percent / 100))] if times else 0.0


def say(text: str) -> None:
    """Write a line at once."""
    print(text, file=sys.stdout, flush=True)
