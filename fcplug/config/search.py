"""Finds ``functions.yaml``, and explains why it is missing or unreadable."""

import os
import stat
from collections.abc import Iterable, Mapping

from fcplug import protocol
from fcplug.errors import ConfigError, Problem

VARIABLE = "FCPLUG_CONFIG"
FILE = "config/functions.yaml"
_NAMES = ("functions.yaml", "functions.yml", FILE, "config/functions.yml")
_SERVE = "fcplug serve --config"
_EXAMPLE = """\
  an example, for a function handler(event, context) in index.py:

    version: 1
    functions:
      hello:
        handler: index:handler"""


def find(
    given: str | None,
    environ: Mapping[str, str],
    code: str = protocol.CODE_PATH,
    command: str = _SERVE,
) -> str:
    """Return the path of the configuration file; ``command`` is for the advice in an error.

    In this order: ``given``, the one that FCPLUG_CONFIG names, ``config/functions.yaml`` in the
    working directory, the same file in FC's code folder.

    Raises:
        ConfigError: there is none.
    """
    for path, source in ((given, "--config"), (environ.get(VARIABLE), VARIABLE)):
        if path and not _is_missing(path):
            return path
        if path:
            raise _missing(path, f"there is no such file, but {source} names it", "", command)
    folders = ("", environ.get(protocol.CODE_PATH_VARIABLE) or "", code)
    searched = {_absolute(path): path for path in _joined(reversed(folders), (FILE,))}
    for path in reversed(searched.values()):
        if not _is_missing(path):
            return path
    looked = f"  looked for: {', '.join(reversed(searched))}\n"
    raise _missing(FILE, "there is no configuration", looked, command)


def near(file: str) -> list[str]:
    """Return the existing configurations that a missing file may stand for."""
    folder = os.path.dirname(file)
    return _found(["", folder, os.path.dirname(folder)])


def unreadable(file: str, error: OSError) -> ConfigError:
    """Return the error for a file that exists and cannot be read."""
    what, advice = f"cannot be read: {error.strerror}", ""
    if isinstance(error, IsADirectoryError):
        what, advice = "this is a folder: name the file in it", _advice(_found([file]))
    elif isinstance(error, PermissionError):
        quoted = _quoted(file)
        what = f"user {os.geteuid()} may not read it{_owner(file)}"
        advice = f"  fix: chmod a+r {quoted}, and a+x the folders above it, or run as its owner"
    return ConfigError([Problem(file, 0, 0, "", what)], advice)


def _missing(file: str, what: str, looked: str, command: str) -> ConfigError:
    fix = _advice(near(file), command) or (
        f"  fix: write {file}, or name another one with --config FILE or {VARIABLE};\n"
        f"       'fcplug new project NAME' makes a project that has one\n{_EXAMPLE}"
    )
    return ConfigError([Problem(file, 0, 0, "", what)], looked + fix)


def _advice(found: Iterable[str], command: str = _SERVE) -> str:
    """Return the command with the first of the found files, empty if there is none."""
    for path in found:
        return f"  fix: {path} is there: {command} {_quoted(path)}"
    return ""


def _found(folders: Iterable[str]) -> list[str]:
    return [path for path in dict.fromkeys(_joined(folders, _NAMES)) if os.path.isfile(path)]


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError:  # the working directory was removed
        return path


def _joined(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    names = tuple(names)
    return [os.path.join(folder, name) for folder in folders for name in names]


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # reading it will report the reason
    return False


def _owner(file: str) -> str:
    try:
        status = os.stat(file)
    except OSError:  # no permission for a folder above it
        return ""
    return f": it belongs to user {status.st_uid}, with mode {stat.S_IMODE(status.st_mode):04o}"


def _quoted(path: str) -> str:
    import shlex  # noqa: PLC0415 - only messages need it

    return shlex.quote(path)
