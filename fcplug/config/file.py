"""The configuration file of a running process, checked again for edits."""

import logging
import os
import time
from collections.abc import Mapping

from fcplug.config import loader, search, stored
from fcplug.config.loader import Config
from fcplug.errors import ConfigError

log = logging.getLogger("fcplug")

SETTLED = 0.5  # seconds without a change, after which a file counts as completely written
AWAY = 5.0  # seconds without the file or its content, after which a warning is logged


class ConfigFile:
    """A file that may be edited while its configuration is in use.

    Edits are detected by content: an edit may keep the size and the time, and a mounted file may be
    replaced through a link. There is no thread and no file notification, because FC freezes an
    instance between requests and network file systems send no notifications.

    Without a path, ``search.find`` chooses the file. Handlers may change the working directory, so
    the path is made absolute here; errors show it as the user gave it.

    Raises:
        ConfigError: the file does not exist.
    """

    def __init__(self, path: str | None, environ: Mapping[str, str]) -> None:
        self._name = search.find(path, environ)
        self._path = os.path.abspath(self._name)
        self._environ = environ
        self._away_since: float | None = None
        self._content = ""  # the last content that was accepted or rejected
        self._unused: stored.StoredError | None = None
        self._last_error = ""  # of reading the file
        self._identity: tuple[int, ...] = ()  # at the last check

    def load(self) -> Config:
        """Return the configuration that the file holds now.

        Raises:
            ConfigError: the file cannot be read, or has mistakes.
        """
        self._content = loader.read(self._path, self._name)
        return loader.parse(self._content, self._name, self._environ, self._stored())

    def _stored(self) -> stored.Stored | None:
        """Return what ``fcplug build`` has stored of the content, None if it does not serve."""
        try:
            return stored.load(self._path, self._content)
        except stored.StoredError as error:
            self._unused = error
            return None

    def log_unused(self) -> None:
        """Log why what ``fcplug build`` has stored is not used; call it once the log is open."""
        if self._unused:
            level = logging.INFO if isinstance(self._unused, stored.StaleError) else logging.WARNING
            what = "%s%s is not used, so that this start takes longer: %s"
            log.log(level, what, self._name, stored.SUFFIX, self._unused)

    def changed(self) -> Config | None:
        """Return the file's configuration if it is new and completely written, else None.

        A file that is being written, is missing for a moment or is empty does not count as new.

        Raises:
            ConfigError: the file cannot be read, or has mistakes; raised once for each content.
        """
        try:
            before = _identity(self._path)
            content = loader.read(self._path, self._name)
            settled = before == _identity(self._path) and self._is_settled(before)
        except FileNotFoundError:
            self._warn_if_away("gone")
            return None
        except ConfigError as error:
            self._raise_once(error)
            return None
        self._last_error = ""
        if not content.strip():
            self._warn_if_away("empty")
            return None
        self._away_since = None
        if content == self._content or not settled:
            return None
        self._content = content
        return loader.parse(content, self._name, self._environ)

    def _is_settled(self, identity: tuple[int, ...]) -> bool:
        """Return whether the file has settled; its modification time may be of another clock."""
        age = time.time() - identity[2] / 1e9
        previous, self._identity = self._identity, identity
        # a time in the future: the file has settled if the check before saw the same file
        return age >= SETTLED or (age < 0 and identity == previous)

    def _warn_if_away(self, state: str) -> None:
        """Warn once if the file is away for longer than an editor needs to replace it."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        elif now - self._away_since >= AWAY:
            self._away_since = float("inf")  # no second warning until the file is back
            log.warning(
                "%s is %s: the running configuration stays, and a restart would fail",
                *(self._path, state),
            )

    def _raise_once(self, error: ConfigError) -> None:
        previous, self._last_error = self._last_error, str(error)
        if previous != self._last_error:
            raise error


def _identity(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
