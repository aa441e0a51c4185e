"""The files of code that this process runs, compared with those on disk."""

import logging
import os
import sys
from collections.abc import Mapping

from fcplug import protocol
from fcplug.plugins import code_path

log = logging.getLogger("fcplug")

_MOST_FILES = 200  # looked at again; each costs a call of the kernel
_SHOWN = 3  # files that are named

_Version = tuple[int, int]


class LoadedCode:
    """Knows which files of the code folder were imported, and logs once if one is edited later.

    On Function Compute, where code does not change, it does nothing, nor where somebody else
    reacts to edits (``watched``).
    """

    def __init__(self, environ: Mapping[str, str], *, watched: bool) -> None:
        constant = watched or environ.get(protocol.INSTANCE_VARIABLE)
        self._folder = "" if constant else os.path.join(code_path.folder(environ), "")
        self._modules: dict[str, int] = {}  # the object too: one that failed is imported again
        self._files: dict[str, _Version | None] = {}

    def note(self) -> None:
        """Note the modules that were imported since the last time."""
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
        """Log which files are not what runs any more, once for each edit."""
        edited = []
        for file, version in list(self._files.items()):
            now = _version(file)
            if now != version:
                self._files[file] = now
                edited.append(os.path.relpath(file, self._folder))
        if edited:
            more = f" and {len(edited) - _SHOWN} more" if len(edited) > _SHOWN else ""
            log.warning(
                "the code on disk is newer than what runs: %s%s; restart to run it, "
                "or develop with fcplug serve --reload",
                *(", ".join(edited[:_SHOWN]), more),
            )


def _version(file: str) -> _Version | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
