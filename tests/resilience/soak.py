"""Everything at once, for a minute or an hour: what is not to blame must not notice."""

import os
import random
import signal
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from statistics import median

from resilience import processes
from resilience.bar import Bar, Crowd, Report
from resilience.callers import Caller, Lost, Unsent
from resilience.deployment import Editor, running
from resilience.differential import generate
from resilience.malformed import SECRET, hurl, with_secret
from resilience.processes import MIB
from support.deployed import Instance

WORKERS = 4
TIMEOUT = 2.0  # seconds for an isolated call
KINDS = ("exit", "interrupt", "generator", "stop", "value")
HARM = ("exit", "segfault", "hang", "gil")
KEYS = (
    "x-fc-access-key-id: STS.soaking",
    f"x-fc-access-key-secret: {SECRET.decode()}",
    f"x-fc-security-token: {SECRET.decode() * 20}",
)


def config(version: int) -> str:
    """Return the configuration of a version; only one function differs."""
    return f"""\
version: 1
runtime: {{trust_callers: true, threads: 16, watchdog: 30}}
functions:
  echo: {{handler: chaos.echo}}
  raising: {{handler: chaos.raising}}
  late: {{handler: chaos.echo, timeout: 10}}
  isolated:
    {{handler: chaos.act, isolation: process, workers: {WORKERS}, timeout: {TIMEOUT}, queue: 64}}
  versioned: {{handler: chaos.Versioned, settings: {{version: {version}}}}}
"""


class Soak:
    """The callers and the vandals of one instance."""

    def __init__(self, instance: Instance, editor: Editor) -> None:
        self.seen: Counter[str] = Counter()
        self.why: list[str] = []
        self.version = 0
        self._instance = instance
        self._editor = editor
        self._lock = threading.Lock()

    def note(self, what: str, why: str = "") -> None:
        with self._lock:
            self.seen[what] += 1
            if why and len(self.why) < 10:
                self.why.append(f"{what}: {why}")

    def call(self, index: int, stop: threading.Event) -> None:
        """Call what is well behaved, and what raises."""
        dice, number = random.Random(index), 0
        with Caller(self._instance.port) as caller:
            while not stop.is_set():
                number += 1
                token = f"{index}-{number}-{dice.random()}".encode()
                function = dice.choice(("echo", "late", "raising", "versioned"))
                event = token
                if function == "raising":
                    event = dice.choice(KINDS).encode() + b" " + token
                try:
                    answer = caller.invoke(function, event, *KEYS)
                except (Lost, Unsent) as error:
                    self.note("lost", str(error))
                    continue
                self.note("calls")
                if SECRET in answer.body:
                    self.note("leaks", answer.body.decode())
                if function == "raising":
                    good = answer.status == 404 and token in answer.body
                elif function == "versioned":
                    good = answer.status == 200 and answer.body.isdigit()
                else:
                    good = (answer.status, answer.body) == (200, token)
                if not good:
                    self.note("crossed", f"{function} {event!r}: {answer}")

    def call_isolated(self, index: int, stop: threading.Event) -> None:
        """Call the workers; a few calls do harm."""
        dice, number = random.Random(1000 + index), 0
        with Caller(self._instance.port) as caller:
            while not stop.is_set():
                number += 1
                token = f"i{index}-{number}"
                harm = dice.choice(HARM) if index == 0 and dice.random() < 0.1 else ""
                event = f"{harm} {token}" if harm else f"say {token} 0.002"
                try:
                    answer = caller.invoke("isolated", event.encode(), *KEYS)
                except (Lost, Unsent) as error:
                    self.note("lost", str(error))
                    continue
                self.note("calls")
                if SECRET in answer.body:
                    self.note("leaks", answer.body.decode())
                if harm:
                    self.note("harm")
                elif b'"FunctionTimeoutError"' in answer.body:
                    self.note("late")  # a machine that is busy starts no worker in time
                elif answer.status != 200:
                    self.note("innocents", f"{answer.status} {answer.body.decode()}")
                elif answer.body != token.encode():
                    self.note("crossed", f"{event}: {answer.body!r}")
                stop.wait(0.01)

    def kill(self, _index: int, stop: threading.Event) -> None:
        """Kill a worker twice a second, one that had the time to start."""
        dice, looks = random.Random(7), deque[set[int]](maxlen=4)
        while not stop.wait(0.5):
            looks.append(set(processes.descendants(self._instance.process.pid)))
            grown = sorted(set.intersection(*looks)) if len(looks) == looks.maxlen else []
            if grown:
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(grown), signal.SIGKILL)
                    self.note("kills")

    def edit(self, _index: int, stop: threading.Event) -> None:
        """Edit the configuration ten times a second; every tenth edit is wrong."""
        number = 0
        while not stop.wait(0.1):
            number += 1
            wrong = number % 10 == 0
            if self._editor.edit("version: 7" if wrong else config(number)) == wrong:
                self.note("edits judged wrongly")
            self.note("edits")

    def vandalize(self, _index: int, stop: threading.Event) -> None:
        """Send what is malformed, and go away in the middle."""
        dice = random.Random(9)
        while not stop.wait(0.005):
            if dice.random() < 0.2:
                with Caller(self._instance.port) as caller:
                    sock = caller.connect()
                    body = b"x" * 5000
                    sock.sendall(
                        b"POST /invoke HTTP/1.1\r\nHost: a\r\nx-fc-function-name: echo\r\n"
                        b"Content-Length: 5000\r\n\r\n" + body[: dice.choice((0, 9, 4999, 5000))]
                    )
                self.note("drops")
            else:
                hurl(self._instance.port, with_secret(dice, generate(dice)), dice)
                self.note("malformed")


def run(size: int, report: Report) -> None:
    """Soak for so many seconds."""
    memory: list[float] = []
    with running(config(0)) as (instance, folder):
        pid, soak = instance.process.pid, Soak(instance, Editor(instance, folder))
        with Crowd(4, soak.call), Crowd(WORKERS, soak.call_isolated):
            time.sleep(2)  # all threads and workers are there
            processes.wait_at_most(60, lambda: len(processes.descendants(pid)) >= WORKERS)
        time.sleep(1)
        fds, threads = processes.fds(pid), processes.threads(pid)
        began = time.monotonic()
        soak.seen.clear()
        with (
            Crowd(4, soak.call),
            Crowd(3, soak.call_isolated),
            Crowd(1, soak.kill),
            Crowd(1, soak.edit),
            Crowd(1, soak.vandalize),
        ):
            while time.monotonic() < began + size:
                time.sleep(0.5)
                memory.append(processes.rss(pid) / MIB)
                report.progress(f"{memory[-1]:.0f} MiB, {dict(soak.seen)}")
        spare = 0 if size >= 60 else WORKERS  # idle threads last a minute
        back = processes.wait_at_most(
            90,
            lambda: processes.fds(pid) <= fds and processes.threads(pid) <= threads + spare,
        )
        now = f"descriptors {fds} to {processes.fds(pid)}, threads {threads} to "
        now += str(processes.threads(pid))
        health = instance.call("GET", "/health").status
        code = instance.stop()
        log = instance.log
    seen = soak.seen
    report.figure(f"{seen['calls']} calls at {seen['calls'] / size:.0f} a second for {size} s")
    report.figure(
        ", ".join(
            f"{seen[k]} {k}" for k in ["harm", "kills", "late", "edits", "malformed", "drops"]
        )
    )
    report.expect(seen["lost"] == 0, f"{seen['lost']} lost")
    report.expect(seen["crossed"] == 0, f"{seen['crossed']} crossed")
    secrets = log.count(SECRET.decode())
    report.expect(seen["leaks"] + secrets == 0, f"{seen['leaks']} leaks, {secrets} in the log")
    innocents = seen["innocents"]
    report.expect(innocents <= seen["kills"], f"{innocents} innocents (<= {seen['kills']} kills)")
    report.expect(seen["edits judged wrongly"] == 0, "edits judged rightly")
    early = median(memory[len(memory) // 3 : len(memory) // 2] or memory)
    grown = median(memory[-len(memory) // 6 :]) - early if size >= 20 else 0.0
    report.expect(grown <= 5, f"memory {early:.0f} MiB, then {grown:+.1f} MiB")
    report.expect(back, now)
    report.expect(health == 200 and code == 0, f"health {health}, exit code {code}")
    report.missed += soak.why if report.missed else []


BAR = Bar(4, "soak", "what is not to blame notices nothing", 60, 5, run)
