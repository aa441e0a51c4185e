"""Find and start the Python interpreter of workers."""

import json
import os
import shlex
import sys
from contextlib import suppress

import fcplug
from fcplug.workers import start


class Interpreter:
    """A Python interpreter, given by path or virtual environment.

    A relative path starts at ``folder``; a name without a slash is also searched on the PATH.
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
        """Return the command that starts a worker connected by a file descriptor.

        A function's own interpreter gets neither the runtime's packages nor ``PYTHONPATH``: it may
        exist to avoid them.
        """
        options, paths = (["-I"], None) if self._own else ([], sys.path)
        return [self.path, *options, start.__file__, str(fd), json.dumps(paths), function]

    def install(self) -> str:
        """Return the command that gives the interpreter this version of fcplug."""
        return shlex.join([self.path, "-m", "pip", "install", _requirement()])


def _requirement() -> str:
    """Return pip's requirement for this version of fcplug, with its origin if that is known."""
    from importlib import metadata  # noqa: PLC0415 - for an error only
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    with suppress(Exception):  # not installed, or by a tool that does not record the origin
        origin = json.loads(metadata.distribution("fcplug").read_text("direct_url.json") or "{}")
        url = urlsplit(origin["url"])
        if vcs := origin.get("vcs_info"):
            return f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
        if url.scheme != "file":
            return str(origin["url"])
        if os.path.exists(path := unquote(url.path)):
            return path
    return f"fcplug=={fcplug.__version__}"
