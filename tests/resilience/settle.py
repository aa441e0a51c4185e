"""Writers that are slow, and in place: a file that is half written is never taken over."""

import random
import signal
import tempfile
import threading
import time
from pathlib import Path

from fcplug.config.file import SETTLED, ConfigFile
from fcplug.errors import ConfigError
from resilience.bar import Bar, Crowd, Report
from resilience.deployment import Editor, running
from resilience.processes import wait_at_most

FILES = 40  # at once: every edit must lie still for a while before it counts
FUNCTIONS = 12
PIECES = 8


def text(version: int) -> str:
    """Return a configuration that is valid after each of its lines."""
    rows = "".join(
        f"  f{n}: {{handler: chaos.echo, timeout: {version}}}\n" for n in range(FUNCTIONS)
    )
    return f"version: 1\nfunctions:\n{rows}"


def write_slowly(path: Path, content: str, dice: random.Random) -> float:
    """Write in place, in pieces; return the longest pause that there really was."""
    cuts = sorted(dice.sample(range(1, len(content)), PIECES - 1))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    longest, last = 0.0, time.monotonic()
    with path.open("w") as file:
        for piece in pieces:
            time.sleep(dice.random() * 0.6 * SETTLED)
            file.write(piece)
            file.flush()
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


class Watched:
    """One file, its writer, and what was taken over of it."""

    def __init__(self, path: Path) -> None:
        path.write_text(text(1))
        self.path = path
        self.file = ConfigFile(str(path), {})
        self.file.load()
        self.edits = self.accepted = self.partial = self.refused = self.stalled = 0
        self.looks = 0
        self._seen = [0, 0]  # partial and refused during the edit that is being made

    def write(self, count: int, stop: threading.Event) -> None:
        """Edit so many times, and let each be seen."""
        dice = random.Random(str(self.path))
        for number in range(count):
            if stop.is_set():
                return
            self._seen = [0, 0]
            longest = write_slowly(self.path, text(number + 2), dice)
            stop.wait(SETTLED + dice.random() * 0.3)
            self._wait_for_a_look(stop)
            if longest > SETTLED * 0.9:
                self.stalled += 1  # no rule sees that more is to come
            else:
                self.partial += self._seen[0]
                self.refused += self._seen[1]
            self.edits += 1

    def _wait_for_a_look(self, stop: threading.Event) -> None:
        enough = self.looks + 2  # the first may have begun before
        while self.looks < enough and not stop.wait(0.01):
            pass

    def look(self) -> None:
        """Look at the file as a reloader does."""
        try:
            self._look()
        finally:
            self.looks += 1

    def _look(self) -> None:
        try:
            config = self.file.changed()
        except ConfigError:
            self._seen[1] += 1
            return
        if config:
            self.accepted += 1
            versions = {spec.timeout for spec in config.functions.values()}
            whole = len(config.functions) == FUNCTIONS and len(versions) == 1
            self._seen[0] += not whole


def live(edits: int, report: Report) -> None:
    """Edit the configuration of an instance in the same way, and look at it all the time."""
    partial = seen = accepted = 0
    reported = "the configuration is reloaded"
    with running(text(1)) as (instance, folder):
        path, dice = Editor(instance, folder).file, random.Random(edits)
        for number in range(edits):
            failed: list[bool] = []
            before = instance.log.count(reported)

            def ask(_index: int, stop: threading.Event, failed: list[bool] = failed) -> None:
                while not stop.wait(0.02):
                    instance.process.send_signal(signal.SIGHUP)
                    failed.append(instance.invoke(f"f{FUNCTIONS - 1}").status != 200)

            with Crowd(1, ask):
                longest = write_slowly(path, text(number + 2), dice)
                time.sleep(SETTLED + 0.2)
                came = wait_at_most(60, lambda: instance.log.count(reported) > before)  # noqa: B023
            if longest < SETTLED * 0.9:  # else no rule sees that more is to come
                partial += sum(failed)
                seen += 1
                accepted += came
            report.progress(f"live: {number + 1} of {edits} edits")
    report.expect(partial == 0, f"live: {edits} edits, {partial} answers of a partial one")
    report.expect(accepted == seen, f"{accepted} of {seen} taken over")


def run(size: int, report: Report) -> None:
    """Make so many edits in all."""
    files = min(FILES, size)
    with tempfile.TemporaryDirectory() as folder:
        watched = [Watched(Path(folder) / f"{number}.yaml") for number in range(files)]
        each = -(-size // files)
        with Crowd(files, lambda index, stop: watched[index].write(each, stop)):
            while any(one.edits < each for one in watched):
                for one in watched:
                    one.look()
                done = sum(one.edits for one in watched)
                report.progress(f"{done} of {files * each} edits")
                time.sleep(0.05)
    edits, accepted = sum(one.edits for one in watched), sum(one.accepted for one in watched)
    partial, stalled = sum(one.partial for one in watched), sum(one.stalled for one in watched)
    refused = sum(one.refused for one in watched)
    report.figure(f"{edits} slow edits in place, {stalled} by a writer that was stalled")
    report.expect(accepted >= edits - stalled, f"{accepted} taken over")
    report.expect(partial == 0, f"{partial} partial")
    report.expect(refused == 0, f"{refused} refused as wrong")
    live(20 if size > 100 else 2, report)


BAR = Bar(14, "settle", "a file that is being written is never taken over", 1200, 40, run)
