"""The configuration file of a running process, looked at again for something new."""

import os
import time
from collections.abc import Mapping

from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.errors import ConfigError

VARIABLE = "FCPLUG_CONFIG"
FILE = "config/functions.yaml"
SETTLED = 0.5  # seconds without a change, after which a file counts as written to its end


class ConfigFile:
    """A file that may be edited while its configuration is in use.

    Edits are told by content, not by time or size: an edit may keep both, and a mounted file may be
    swapped by a link. No thread and no notification: an instance that FC freezes between requests
    would miss them, and network file systems send none.

    Without a path it is the file that FCPLUG_CONFIG names, else ``config/functions.yaml``.
    """

    def __init__(self, path: str | None, environ: Mapping[str, str]) -> None:
        self.path = path or environ.get(VARIABLE) or FILE
        self._environ = environ
        self._content = ""  # the last that was accepted or refused
        self._trouble = ""  # the last error of reading it
        self._looked: tuple[int, ...] = ()

    def load(self) -> Config:
        """Return what the file holds now.

        Raises:
            ConfigError: the file cannot be read, or is wrong.
        """
        self._content = loader.read(self.path)
        return loader.parse(self._content, self.path, self._environ)

    def changed(self) -> Config | None:
        """Return what the file holds if that is new and written to its end, else None.

        A file that is being written, gone for a moment or empty holds nothing new yet.

        Raises:
            ConfigError: what it holds is wrong, or it cannot be read: told once, until it changes.
        """
        try:
            before = _identity(self.path)
            content = loader.read(self.path)
            settled = before == _identity(self.path) and self._is_settled(before)
        except FileNotFoundError:
            return None
        except ConfigError as error:
            self._tell_once(error)
            return None
        self._trouble = ""
        if content == self._content or not content.strip() or not settled:
            return None
        self._content = content
        return loader.parse(content, self.path, self._environ)

    def _is_settled(self, identity: tuple[int, ...]) -> bool:
        """Tell whether the writer is done: nothing changed for a while, on whosever clock."""
        age = time.time() - identity[2] / 1e9
        looked, self._looked = self._looked, identity
        return age >= SETTLED or (age < 0 and identity == looked)

    def _tell_once(self, error: ConfigError) -> None:
        trouble, self._trouble = self._trouble, str(error)
        if trouble != self._trouble:
            raise error


def _identity(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
