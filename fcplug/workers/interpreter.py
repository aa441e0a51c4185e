"""The Python that workers run on: the runtime's, or one of the function's own."""

import json
import os
import shlex
import sys
from contextlib import suppress

import fcplug
from fcplug.workers import start


class Interpreter:
    """A Python interpreter, named by itself or by the folder of its virtual environment.

    A relative name counts from ``folder``; one without a slash may also be found on the PATH.
    """

    def __init__(self, python: str | None, folder: str = "") -> None:
        self._own = python is not None
        self.path = python or sys.executable
        there = os.path.join(folder, self.path)
        if "/" in self.path or os.path.isdir(there):
            self.path = there
        if os.path.isdir(self.path):
            self.path = os.path.join(self.path, "bin", "python")

    def command(self, fd: int, function: str) -> list[str]:
        """Return what to run for a worker connected by a file descriptor.

        An interpreter of the function's own sees neither the runtime's packages nor its
        ``PYTHONPATH``; they may be what it is there to get away from.
        """
        options, paths = (["-I"], None) if self._own else ([], sys.path)
        return [self.path, *options, start.__file__, str(fd), json.dumps(paths), function]

    def install(self) -> str:
        """Return the command that gives the interpreter this version of fcplug."""
        return shlex.join([self.path, "-m", "pip", "install", _requirement()])


def _requirement() -> str:
    """Return what pip installs this version of fcplug from: where this one came from, if known."""
    from importlib import metadata  # noqa: PLC0415 - for an error only
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    with suppress(Exception):  # not installed, or by a tool that leaves no origin
        origin = json.loads(metadata.distribution("fcplug").read_text("direct_url.json") or "{}")
        url = urlsplit(origin["url"])
        if vcs := origin.get("vcs_info"):
            return f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
        if url.scheme != "file":
            return str(origin["url"])
        if os.path.exists(path := unquote(url.path)):
            return path
    return f"fcplug=={fcplug.__version__}"
