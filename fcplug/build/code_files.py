"""The files of the code folder that go into a package, and those that never do."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from fcplug.build.archive import check_name, mode_of
from fcplug.build.failure import BuildError
from fcplug.config.search import FILE
from fcplug.config.stored import SUFFIX

_VERSIONS = (".git", ".hg", ".svn")
_ENVIRONMENTS = (".venv", "venv", "node_modules", ".tox", ".nox")
_CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")
_NEVER = frozenset([*_VERSIONS, *_ENVIRONMENTS, *_CACHES, ".idea", ".vscode"])
_SECRET = (".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "id_rsa*", "id_dsa*")
_SECRETS = (*_SECRET, "id_ecdsa*", "id_ed25519*", ".netrc", ".npmrc", ".pypirc", ".git-credentials")
_OF_PROJECTS = ("README*", "LICENSE*", "CHANGELOG*", "Makefile", "pyproject.toml", "pytest.ini")
_NOT_MISSED = (*_OF_PROJECTS, "requirements*.txt", "*.zip", "*.lock.txt", "*.cdx.json", "s.yaml")
_FOLDERS = ("tests", "test", "docs", "build", "dist", "python", "config", "bootstrap")
_TESTS = frozenset(["tests", "test"])
_UNFINISHED = ".fcplug-build-"  # what a killed build leaves
_OURS = frozenset(["python", "bootstrap", FILE, FILE + SUFFIX])
_MOST_NAMED = 8


def copy(
    folder: Path,
    needed: Iterable[Path],
    includes: Sequence[str],
    into: Path,
    built: Iterable[Path] = (),
) -> set[str]:
    """Copy the needed files of the code folder and those that patterns add.

    Returns the relative paths of what was copied.

    Args:
        folder: the code folder.
        needed: modules and packages in it.
        includes: patterns of more files.
        into: an existing folder.
        built: files of earlier builds, which no pattern adds.

    Raises:
        BuildError: a pattern matches nothing, or a link leads out of the folder.
    """
    chosen = {path: None for each in needed for path in _files(each, folder)}
    for pattern in includes:
        chosen.update(dict.fromkeys(_matching(folder, pattern)))
    copied, before = set(), {os.path.abspath(path) for path in built}
    for path in chosen:
        name = path.relative_to(folder).as_posix()
        if name.partition("/")[0] in _OURS or name in _OURS or os.path.abspath(path) in before:
            if name in includes:
                raise BuildError(f"{name} is written by the build", fix="leave it out of --include")
            continue
        check_name(name)
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(mode_of(path))
        copied.add(name)
    return copied


def left_out(folder: Path, copied: Iterable[str]) -> list[str]:
    """Return the entries of the code folder that may be missed in the package."""
    there = {name.partition("/")[0] for name in copied}
    names = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = entry.name
        usual = name.startswith(".") or name in _NEVER or name in _FOLDERS
        usual = usual or any(fnmatch(name, each) for each in _NOT_MISSED) or _is_secret(name)
        if not usual and name not in there and name.isprintable():
            names.append(f"{name}/" if entry.is_dir() else name)
    others = len(names) - _MOST_NAMED
    return [*names[:_MOST_NAMED], *([f"{others} more"] if others > 0 else [])]


def check_inside(path: Path, folder: Path) -> None:
    """Check a file; a link is taken as what it leads to, inside the code folder only.

    Raises:
        BuildError: it is no regular file, or a link out of the folder.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        what = f"{path.relative_to(folder)} is a link out of the code folder, to {path.resolve()}"
        raise BuildError(what, fix="put a copy there, or leave it out")
    if not path.is_file():
        what = "a link to a folder" if path.is_dir() and path.is_symlink() else "no regular file"
        fix = "put the files themselves there, or leave it out"
        raise BuildError(f"{path.relative_to(folder)} is {what}", fix=fix)


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the files that a pattern of ``--include`` adds: a file, a folder, or a glob."""
    if os.path.isabs(pattern) or ".." in Path(pattern).parts:
        fix = "give the path as it is inside the code folder"
        raise BuildError(f"--include {pattern}: it is not in the code folder", fix=fix)
    exact = folder / pattern
    if exact.is_file() or exact.is_symlink():
        check_inside(exact, folder)
        yield exact  # named as a whole, even a secret is meant
        return
    found = [exact] if exact.is_dir() else sorted(folder.glob(pattern))
    allowed = [each for each in found if not _is_excluded(each.relative_to(folder).parts)]
    files = [path for each in allowed for path in _files(each, folder)]
    if not files:
        raise BuildError(f"--include {pattern}: no such file in {folder}", fix=_ignored_rule(found))
    yield from files


def _ignored_rule(found: Sequence[Path]) -> str:
    if found:
        return "tests, caches and secrets are left out: name such a file as a whole, without *"
    return "correct the pattern; it is relative to the code folder"


def _is_excluded(parts: Sequence[str]) -> bool:
    return any(part in _NEVER or part.startswith(_UNFINISHED) for part in parts) or bool(
        _TESTS.intersection(parts[:-1])
    )


def _files(path: Path, folder: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder that may be in a package."""
    if path.is_symlink() or not path.is_dir():
        if not (path.name.endswith(".pyc") or _is_secret(path.name)):
            check_inside(path, folder)
            yield path
    elif not _is_excluded((path.name, "")):
        for each in sorted(path.iterdir()):
            yield from _files(each, folder)


def _is_secret(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _SECRETS)
