"""Reads requirements files: what a package needs beside the plugins that it names."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from fcplug.build import origin
from fcplug.build.failure import BuildError
from fcplug.build.origin import INDEX, Origin

_INDEX_OPTIONS = ("--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--no-index")
_IGNORED = (
    "--hash",
    "--no-binary",
    "--only-binary",
    "--prefer-binary",
    "--pre",
    "--require-hashes",
)
_MOST_DEEP = 10  # files that include each other


class Line(NamedTuple):
    """One requirement of a file.

    Attributes:
        requirement: None if the line is the path of a folder or a wheel.
        where: the file and its line.
    """

    requirement: Requirement | None
    origin: Origin
    where: str


def read(file: Path, depth: int = 0) -> Iterator[Line]:
    """Yield the requirements of a file, and of the files that it includes.

    Raises:
        BuildError: the file cannot be read, or a line is none that a package can be built from.
    """
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise BuildError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BuildError(f"{file} is not UTF-8", fix="save the file as UTF-8") from None
    number = 1
    for whole in text.replace("\\\r\n", "\\\n").replace("\\\n", "\x00").splitlines():
        where = f"{os.path.relpath(file)}:{number}"
        number += whole.count("\x00") + 1
        line = whole.replace("\x00", " ").partition(" #")[0].strip()
        if line and not line.startswith("#"):
            yield from _lines(line, file, where, depth)


def _lines(line: str, file: Path, where: str, depth: int) -> Iterator[Line]:
    option, _, value = line.replace("=", " ", 1).partition(" ") if line[0] == "-" else ("", "", "")
    value = value.strip().strip("\"'")
    if option in ("-r", "--requirement"):
        if depth == _MOST_DEEP:
            raise BuildError(f"{where}: the files include each other without an end")
        yield from read(file.parent / value, depth + 1)
    elif option in ("-e", "--editable"):
        yield _path(value, file, where)
    elif option in _INDEX_OPTIONS:
        fix = "set it where pip and uv find it for every command: pip config set, or uv.toml"
        raise BuildError(f"{where}: {option} is not read from this file", fix=fix)
    elif option in ("-c", "--constraint"):
        fix = f"write the limits into {file.name}; the lock file keeps the versions"
        raise BuildError(f"{where}: {option} is not read", fix=fix)
    elif option and option not in _IGNORED:
        raise BuildError(f"{where}: {shlex.quote(option)} is no option that is read here")
    elif not option:
        yield _requirement(line, file, where)


def _requirement(line: str, file: Path, where: str) -> Line:
    text = line.partition(" --hash")[0]
    if " " not in text and text.endswith((".whl", ".tar.gz", ".zip")):
        return _path(text, file, where)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if "/" in text or text.startswith("."):
            return _path(text, file, where)
        what = str(error).splitlines()[0]
        raise BuildError(f"{where}: {text!r} is no requirement: {what}") from None
    found = origin.of_url(requirement.url) if requirement.url else INDEX
    return Line(requirement, found, where)


def _path(text: str, file: Path, where: str) -> Line:
    path = (text.partition("[")[0] if text.endswith("]") else text).removeprefix("file://")
    if "://" in path:  # it may hold a password
        what = f"{where}: a URL comes after the name of its package"
        raise BuildError(what, fix="write NAME @ URL, without -e")
    target = (file.parent / path).resolve()
    if not target.exists():
        raise BuildError(f"{where}: there is no {target}")
    return Line(None, origin.of_path(target), where)
