"""A folder with functions, and what commands and calls in it print, as a page shows it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

from fcplug.config.file import ConfigFile
from fcplug.errors import FcplugError
from fcplug.testing import Answer, Runner, WebAnswer
from support import commands

HOME = "/home/ada/shop"  # the folder that pages show
_NUMBERS = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z": "2026-01-31T23:59:59.123Z",
    r"\b1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}\b": "1-67a59f35-150c1267-f381ba1c085c",
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b": (
        "3f6b2a91-3f0c-4a6b-9d1e-0d82859e5c21"
    ),
    r"(duration: )[\d.]+(ms, maxMemoryUsage: )[\d.]+MB": r"\g<1>12.30ms, maxMemoryUsage: 31.20MB",
    r"\bPython 3\.\d+\b": "Python 3.11",
    r"(process |worker |kill )\d{2,}\b": r"\g<1>4711",
}


class Shown(NamedTuple):
    """What a page shows: the text, and of an answer its HTTP status and error type."""

    text: str
    status: int = 0
    error_type: str = ""


class Scene:
    """A folder in which something goes wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, each with its own folders."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def functions(self, text: str, files: Mapping[str, str] | None = None) -> None:
        """Write ``config/functions.yaml``, without its first line, and further files."""
        self.write({"config/functions.yaml": f"version: 1\n{dedent(text)}", **(files or {})})

    def command(self, *arguments: str, **environ: str) -> Shown:
        """Run ``fcplug``, which must fail, and return what it writes on standard error."""
        ours = {"HOME": str(self.folder), "TMPDIR": str(self.folder), **environ}
        done = commands.run(*arguments, cwd=self.folder, stdin=b"", python=sys.executable, **ours)
        assert done.returncode in (1, 2), done
        return self.shown(done.stderr.decode() or done.stdout.decode())

    def shell(self, command: str, **environ: str) -> Shown:
        """Run a command of the shell, which must fail."""
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=commands.environment(**environ),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode, done
        return self.shown(done.stderr or done.stdout)

    def refused(self, text: str, environ: Mapping[str, str] | None = None) -> Shown:
        """Return the mistakes of a ``functions.yaml``, as every command reports them."""
        self.functions(text)
        with self._inside():
            try:
                ConfigFile(None, environ or {}).load()
            except FcplugError as error:
                return self.shown(str(error))
        raise AssertionError("the configuration has no mistake")

    def event(self, text: str, event: Any = b"", **files: str) -> Shown:
        """Send an event to the function ``hello``, and return its error document's message."""
        with self.runner(text, files) as runner:
            return self.answer(runner.invoke("hello", event))

    def page(self, text: str, url: str = "/", **files: str) -> Shown:
        """Send a web request to the function ``hello``."""
        with self.runner(text, files) as runner:
            return self.answer(runner.http("hello", "GET", url))

    @contextmanager
    def runner(self, text: str, files: Mapping[str, str] | None = None) -> Iterator[Runner]:
        """Serve functions in this process; modules are given by their names."""
        self.functions(text, {f"{name}.py": code for name, code in (files or {}).items()})
        with self._inside(), Runner.from_file("config/functions.yaml", {}) as runner:
            yield runner

    def answer(self, answer: Answer | WebAnswer) -> Shown:
        """Return the error of an answer."""
        document = answer.json()
        status = getattr(answer, "status", 0)
        return self.shown(document["errorMessage"], status, document["errorType"])

    def shown(self, text: str, status: int = 0, error_type: str = "") -> Shown:
        """Return a text with the folder, the interpreter and all numbers of chance replaced."""
        here, python = str(self.folder), sys.executable
        known = {here: HOME, python: "python", os.path.dirname(python): "/usr/bin"}
        for own, named in ({os.path.realpath(here): HOME} | known).items():
            text = text.replace(own, named)
        for pattern, named in _NUMBERS.items():
            text = re.sub(pattern, named, text)
        return Shown(text.rstrip() + "\n", status, error_type)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(before)
