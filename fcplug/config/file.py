"""The configuration file of a running process, looked at again for something new."""

import logging
import os
import time
from collections.abc import Mapping

from fcplug.config import loader, search
from fcplug.config.loader import Config
from fcplug.errors import ConfigError

log = logging.getLogger("fcplug")

SETTLED = 0.5  # seconds without a change, after which a file counts as written to its end
GONE = 5.0  # seconds without a file, after which that is worth a warning


class ConfigFile:
    """A file that may be edited while its configuration is in use.

    Edits are told by content, not by time or size: an edit may keep both, and a mounted file may be
    swapped by a link. No thread and no notification: an instance that FC freezes between requests
    would miss them, and network file systems send none.

    Without a path it is looked for where ``search.find`` does. Handlers may change the working
    directory, so the path is made absolute here; errors show it as it was given.

    Raises:
        ConfigError: there is no such file.
    """

    def __init__(self, path: str | None, environ: Mapping[str, str]) -> None:
        self._name = search.find(path, environ)
        self._path = os.path.abspath(self._name)
        self._environ = environ
        self._gone_since: float | None = None
        self._content = ""  # the last that was accepted or refused
        self._trouble = ""  # the last error of reading it
        self._looked: tuple[int, ...] = ()

    def load(self) -> Config:
        """Return what the file holds now.

        Raises:
            ConfigError: the file cannot be read, or is wrong.
        """
        self._content = loader.read(self._path, self._name)
        return loader.parse(self._content, self._name, self._environ)

    def changed(self) -> Config | None:
        """Return what the file holds if that is new and written to its end, else None.

        A file that is being written, gone for a moment or empty holds nothing new yet.

        Raises:
            ConfigError: what it holds is wrong, or it cannot be read: told once, until it changes.
        """
        try:
            before = _identity(self._path)
            content = loader.read(self._path, self._name)
            settled = before == _identity(self._path) and self._is_settled(before)
        except FileNotFoundError:
            self._warn_if_gone()
            return None
        except ConfigError as error:
            self._tell_once(error)
            return None
        self._trouble, self._gone_since = "", None
        if content == self._content or not content.strip() or not settled:
            return None
        self._content = content
        return loader.parse(content, self._name, self._environ)

    def _is_settled(self, identity: tuple[int, ...]) -> bool:
        """Tell whether the writer is done: nothing changed for a while, on whosever clock."""
        age = time.time() - identity[2] / 1e9
        looked, self._looked = self._looked, identity
        return age >= SETTLED or (age < 0 and identity == looked)

    def _warn_if_gone(self) -> None:
        """Warn once of a file that is gone for longer than an editor needs to replace it."""
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since >= GONE:
            self._gone_since = float("inf")  # until it is there again
            log.warning(
                "%s is gone: the running configuration stays, and a restart would fail", self._path
            )

    def _tell_once(self, error: ConfigError) -> None:
        trouble, self._trouble = self._trouble, str(error)
        if trouble != self._trouble:
            raise error


def _identity(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
