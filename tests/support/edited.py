"""An instance whose configuration is edited while it runs; stores that log when they are open."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.deployed import Instance, deploy, start
from support.waiting import wait_until

MODES = {
    "thread": "{}",
    "deadline": "{timeout: 60}",
    "process": "{isolation: process}",
    "processes": "{}",
}
OPENING = """\
import itertools, os, sqlite3

numbers = itertools.count(1)

class Store:
    def __init__(self):
        self.name = f"{os.getpid()}-{next(numbers)}"
        self.conn = sqlite3.connect(":memory:", check_same_thread=False)
        print("opened", self.name)

    def row(self):
        return self.conn.execute("select 'row'").fetchone()[0] + f" {os.getpid()}"

    def close(self):
        self.conn.close()
        print("closed", self.name)
"""


class Journal(NamedTuple):
    """How often each store was opened and closed."""

    opened: Counter[str]
    closed: Counter[str]

    @property
    def live(self) -> list[str]:
        """What is open."""
        return sorted((self.opened - self.closed).elements())


class Edited:
    """An instance whose configuration is edited; each edit is waited for."""

    def __init__(self, folder: Path, instance: Instance, head: str, processes: int = 1) -> None:
        self.instance = instance
        self._file = folder / "config" / "functions.yaml"
        self._head = head
        self._processes = processes

    def edit(self, *functions: str, refused: bool = False) -> None:
        """Replace the functions, and wait until every process has looked at them."""
        aside = self._file.with_suffix(".new")
        aside.write_text(config_of(self._head, *functions))
        long_ago = time.time() - 10
        os.utime(aside, (long_ago, long_ago))
        aside.replace(self._file)
        reported = "the edit is rejected" if refused else "the configuration is reloaded"
        before = self.instance.log.count(reported)
        self.instance.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.instance.log.count(reported) == before + self._processes)

    def rows(self, *functions: str) -> None:
        """Call each function until every process has answered; all calls must succeed."""
        for function in functions:
            pids: set[str] = set()
            while len(pids) < self._processes:
                word, _, pid = self.answer(function).partition(" ")
                assert word == "row", f"{function}: {word} {pid}\n{self.instance.log}"
                pids.add(pid)

    def answer(self, function: str, event: bytes = b"") -> str:
        entry = re.search(rf"^  {function}: (.*)$", self._file.read_text(), re.MULTILINE)
        web = entry and ("wsgi:" in entry[1] or "asgi:" in entry[1])
        headers = {"x-fc-function-name": function}
        path = ("GET", "/") if web else ("POST", "/invoke")
        return self.instance.call(*path, None if web else event, headers).body.decode()

    @property
    def journal(self) -> Journal:
        lines = [
            re.findall(rf"^{word} (\S+)$", self.instance.log, re.M) for word in ("opened", "closed")
        ]
        return Journal(*map(Counter, lines))


def config_of(head: str, *functions: str) -> str:
    return f"{head}functions:\n" + "".join(f"  {function}\n" for function in functions)


@contextmanager
def run(folder: Path, files: Mapping[str, str], mode: str, *functions: str) -> Iterator[Edited]:
    """Start an instance in one of the ``MODES``, with functions; it is ended on the way out."""
    processes = 2 if mode == "processes" else 1
    head = f"version: 1\nruntime: {{processes: {processes}}}\ndefaults: {MODES[mode]}\n"
    deploy(folder, config_of(head, *functions), {"opening.py": OPENING, **files})
    with start(folder) as instance:
        yield Edited(folder, instance, head, processes)
