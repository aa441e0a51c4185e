"""The Python of a target on this machine: it compiles the package, and loads its functions."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fcplug import protocol
from fcplug.build import subprocesses
from fcplug.build.failure import BuildError
from fcplug.build.target import Target

_VERSION = "import sys; print(*sys.version_info[:2], sys.implementation.name)"
# the code is where Function Compute unpacks it; a hash that is not checked, so that times that an
# archive changes count for nothing
_COMPILE = """
import compileall, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for name in sys.argv[3:]:
    compileall.compile_file(
        f"{sys.argv[1]}/{name}", force=True, quiet=2, invalidation_mode=mode,
        stripdir=sys.argv[1], prependdir=sys.argv[2],
    )
"""
_MOST = 500  # files of one process


def find(target: Target, environ: Mapping[str, str], work: Path) -> str:
    """Return the interpreter of a target's version on this machine, empty if there is none."""
    if sys.implementation.name == "cpython" and sys.version_info[:2] == target.version:
        return sys.executable
    wanted = [*map(str, target.version), "cpython"]
    for candidate in _candidates(target, environ):
        with suppress(OSError):  # it is of another user, or for another processor
            done = subprocesses.run([candidate, "-S", "-c", _VERSION], environ, work)
            if done.code == 0 and done.stdout.split() == wanted:
                return candidate
    return ""


def compile_sources(python: str, folder: Path, work: Path) -> None:
    """Compile all modules of a folder; a file that is none for this Python stays as it is.

    Raises:
        BuildError: the folder takes no more.
    """
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    # what is compiled depends on nothing of this machine: neither its variables nor its packages
    environ = {"PYTHONHASHSEED": "0", "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    for first in range(0, len(files), _MOST):
        some = files[first : first + _MOST]
        paths = [str(folder), protocol.CODE_PATH]
        done = subprocesses.run([python, "-S", "-s", "-c", _COMPILE, *paths, *some], environ, work)
        if done.code:
            raise BuildError(f"{python} cannot compile the package", done.stderr[-2000:])


def _candidates(target: Target, environ: Mapping[str, str]) -> Iterator[str]:
    name = f"python{target.minor}"
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which(name, path=folder):
            yield found
    home = Path(environ.get("HOME", "/nonexistent"))
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    for versions, pattern in (
        (pyenv / "versions", f"{target.minor}.*"),
        (data / "uv/python", f"cpython-{target.minor}.*"),
    ):
        yield from (str(each / "bin" / name) for each in _matching(versions, pattern))


def _matching(folder: Path, pattern: str) -> Sequence[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:  # such as PYENV_ROOT of another user
        return []
