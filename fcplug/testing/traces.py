"""What calls change in this process: noted around them, undone at the end."""

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fcplug.plugins import import_record
from fcplug.plugins.import_record import package_of

_NEW_LOGGER = (logging.NOTSET, (), True, False, ())
_EXTENSIONS = (".so", ".pyd")


class _Moment(NamedTuple):
    """The process at one moment."""

    variables: Mapping[str, str]
    folder: str
    loggers: Mapping[str, tuple[Any, ...]]
    disabled: int
    modules: set[str]


class Traces:
    """Notes what happens between ``begin`` and ``end``, as often as these are called.

    What others change in between is theirs, and stays.
    """

    def __init__(self) -> None:
        self._before: _Moment
        self._variables: dict[str, str | None] = {}
        self._folder = ""
        self._loggers: dict[str, tuple[Any, ...]] = {}
        self._disabled: int | None = None
        self._modules: set[str] = set()

    def begin(self) -> None:
        """Look at the process before a call."""
        self._before = _now()

    def end(self) -> None:
        """Note what the call has changed."""
        before, now = self._before, _now()
        for name in before.variables.keys() | now.variables.keys():
            if before.variables.get(name) != now.variables.get(name):
                self._variables.setdefault(name, before.variables.get(name))
        if now.folder != before.folder:
            self._folder = self._folder or before.folder
        for name, state in now.loggers.items():
            if state != (old := before.loggers.get(name, _NEW_LOGGER)):
                self._loggers.setdefault(name, old)
        if now.disabled != before.disabled and self._disabled is None:
            self._disabled = before.disabled
        self._modules |= now.modules - before.modules

    def undo(self, code: str) -> None:
        """Put everything back, and forget the modules that were imported from a code folder."""
        for name, value in self._variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self._folder:
            os.chdir(self._folder)
        for name, state in self._loggers.items():
            logger = logging.getLogger(name)
            level, handlers, logger.propagate, logger.disabled, filters = state
            logger.setLevel(level)
            logger.handlers[:], logger.filters[:] = handlers, filters
        if self._disabled is not None:
            logging.disable(self._disabled)
        import_record.unload(_of_the_code(self._modules, code))


def _now() -> _Moment:
    try:
        folder = os.getcwd()
    except OSError:  # somebody has removed it
        folder = ""
    manager = logging.root.manager
    loggers = {
        name: _state(logger)
        for name, logger in list(manager.loggerDict.items())
        if isinstance(logger, logging.Logger)
    }
    return _Moment(dict(os.environ), folder, loggers, manager.disable, set(sys.modules))


def _state(logger: logging.Logger) -> tuple[Any, ...]:
    handlers, filters = tuple(logger.handlers), tuple(logger.filters)
    return logger.level, handlers, logger.propagate, logger.disabled, filters


def _of_the_code(names: set[str], code: str) -> Iterable[str]:
    """Return the modules whose file is in the code folder, and not in an environment in there.

    A package stays if a part of it was there before, as others use it, or if it has modules in C,
    which cannot be imported twice.
    """
    files = {name: _file_of(name) for name in names if name in sys.modules}
    kept = {package_of(name) for name, file in files.items() if file.endswith(_EXTENSIONS)}
    kept |= {package for package in map(package_of, names) if package not in names}
    folder = os.path.join(code or os.devnull, "")
    return [
        name
        for name, file in files.items()
        if package_of(name) not in kept
        and os.path.abspath(file).startswith(folder)
        and f"-packages{os.sep}" not in file
    ]


def _file_of(name: str) -> str:
    """Return the file of a module, of a package without one its first folder."""
    module = sys.modules.get(name)
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
