"""Compare the code that this process runs with the files on disk."""

import logging
import os
import sys
from collections.abc import Mapping

from fcplug import protocol
from fcplug.plugins import code_path

log = logging.getLogger("fcplug")

_MOST_FILES = 200  # each one costs a system call per check
_SHOWN = 3  # files named in the log

_Version = tuple[int, int]


class LoadedCode:
    """Records the imported files of the code folder, and logs edits.

    It does nothing on Function Compute, where code does not change, and if something else already
    reacts to edits (``watched``), as a developer makes them.
    """

    def __init__(self, environ: Mapping[str, str], *, watched: bool) -> None:
        self.watched = watched
        constant = watched or environ.get(protocol.INSTANCE_VARIABLE)
        self._folder = "" if constant else os.path.join(code_path.folder(environ), "")
        self._modules: dict[str, int] = {}  # id of the module: a failed one is imported again
        self._files: dict[str, _Version | None] = {}

    def note(self) -> None:
        """Record the modules that were imported since the last call."""
        if not self._folder:
            return
        for name, module in list(sys.modules.items()):
            if self._modules.get(name) == id(module):
                continue
            self._modules[name] = id(module)
            file = getattr(module, "__file__", None) or ""
            own = file.startswith(self._folder) and f"-packages{os.sep}" not in file
            if own and len(self._files) < _MOST_FILES:
                self._files[file] = _version(file)

    def report_edits(self) -> None:
        """Log which files were edited after their import, once for each edit."""
        edited = []
        for file, version in list(self._files.items()):
            now = _version(file)
            if now != version:
                self._files[file] = now
                edited.append(os.path.relpath(file, self._folder))
        if edited:
            more = f" and {len(edited) - _SHOWN} more" if len(edited) > _SHOWN else ""
            log.warning(
                "the code on disk is newer than the running code: %s%s; restart to run it, "
                "or develop with fcplug serve --reload",
                *(", ".join(edited[:_SHOWN]), more),
            )


def _version(file: str) -> _Version | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
