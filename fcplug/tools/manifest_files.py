"""Files that are made again and again: written whole, never over what somebody has edited."""

import difflib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from fcplug.errors import FcplugError, OutputError
from fcplug.manifests import seal

State = Literal["new", "unchanged", "updated", "overwritten"]
_MOST_LINES = 12  # of a diff
_MOST_BYTES = 4 * 1024 * 1024  # of a file that may be compared


class File(NamedTuple):
    """A file to be written: its path within a folder, and its text."""

    path: str
    text: str


class FileEdited(FcplugError):  # noqa: N818 - it is reported, not caught
    """Files would be overwritten that somebody has edited, or that were never made by fcplug."""


def write(folder: Path, files: Sequence[File], instead: str, *, force: bool) -> list[State]:
    """Write files into a folder, which is made if it is missing; return what became of each.

    Either all are written or, if one was edited, none.

    Args:
        folder: where to.
        files: what to write.
        instead: how to keep values without an edit.
        force: whether to overwrite edits.

    Raises:
        FileEdited: a file was edited, and ``force`` is not given.
        OutputError: a file cannot be written.
    """
    states: list[State] = []
    refused = []
    for file in files:
        found = _read(folder / file.path)
        edited = found is not None and found != file.text and not _is_intact(found)
        if edited and not force:
            refused.append(_refusal(folder / file.path, found or "", file.text))
        states.append(_state(found, file.text, edited=edited))
    if refused:
        fix = f"{instead}, then --force discards the edits"
        raise FileEdited("\n".join([*refused, f"  fix: {fix}"]))
    for file, state in zip(files, states, strict=True):
        if state != "unchanged":
            _replace(folder / file.path, file.text)
    return states


def _state(found: str | None, made: str, *, edited: bool) -> State:
    if found is None:
        return "new"
    if found == made:
        return "unchanged"
    return "overwritten" if edited else "updated"


def _is_intact(text: str) -> bool:
    sealed = seal.read(text)
    return sealed is not None and sealed.intact


def _read(file: Path) -> str | None:
    """Return what a file holds, None if there is none."""
    try:
        with file.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode("utf-8", "backslashreplace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(str(file), error.strerror or str(error)) from None


def _refusal(file: Path, found: str, made: str) -> str:
    why = "it was edited" if seal.read(found) else "it was not made by fcplug manifest"
    changes = list(_changes(found, made))
    lines = [f"  {line}" for line in changes[:_MOST_LINES]]
    if len(changes) > _MOST_LINES:
        lines.append(f"  ... and {len(changes) - _MOST_LINES} more lines")
    return "\n".join([f"{file}: {why}, and nothing is overwritten; it would change:", *lines])


def _changes(found: str, made: str) -> Iterator[str]:
    """Yield the lines that are only in one of the texts."""
    for line in difflib.unified_diff(found.splitlines(), made.splitlines(), n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def _replace(file: Path, text: str) -> None:
    """Write a file whole: who looks at it sees the old one, or all of the new one."""
    target = Path(os.path.realpath(file))  # a link stays a link
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8", newline="\n")
        beside.replace(target)
    except OSError as error:
        raise OutputError(str(file), error.strerror or str(error)) from None
    finally:
        with suppress(OSError):
            beside.unlink()
