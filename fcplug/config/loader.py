"""Loads ``functions.yaml`` as frozen values, and reports all its problems at once."""

import codecs
import json
import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from fcplug.config import schema
from fcplug.config.consistency import contradictions
from fcplug.config.document import Document
from fcplug.config.document import read as read_document
from fcplug.config.invalid import INVALID
from fcplug.config.location import Path
from fcplug.config.model import (
    File,
    FunctionEntry,
    FunctionSpec,
    MiddlewareEntry,
    RuntimeEntry,
)
from fcplug.config.routes import RouteEntry, ShadowEntry
from fcplug.config.search import unreadable
from fcplug.config.stored import Stored
from fcplug.errors import ConfigError, Problem

MAX_FILE_SIZE = 1024 * 1024  # bytes
_KEYS = frozenset(FunctionEntry.__struct_fields__)


class Config(Struct, frozen=True):
    """A checked configuration and its document."""

    document: Document
    runtime: RuntimeEntry
    functions: Mapping[str, FunctionSpec]
    routes: tuple[RouteEntry, ...]
    default: str | None

    @property
    def file(self) -> str:
        """The path of the file."""
        return self.document.file


def load(file: str, environ: Mapping[str, str]) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read, or has problems; it holds all of them.
    """
    return parse(read(file), file, environ)


def read(file: str, name: str = "") -> str:
    """Return the text of a configuration file; errors show ``name``, else the path.

    Raises:
        ConfigError: the file is missing, not regular, not UTF-8 or larger than 1 MiB.
    """
    name = name or file
    try:
        return _read(file)
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        problem = Problem(name, line, column, "", f"not UTF-8: {error.reason}")
        raise ConfigError([problem], "  fix: save the file as UTF-8") from None
    except OSError as error:
        raise unreadable(name, error) from None


def parse(text: str, file: str, environ: Mapping[str, str], stored: Stored | None = None) -> Config:
    """Parse and check the text of a configuration file; ``stored`` saves parsing it.

    Raises:
        ConfigError: the text has problems; it holds all of them.
    """
    document, checked, problems = _checked(text, file, environ, stored)
    if problems:
        raise ConfigError(problems)
    return _config(document, checked)


def examine(
    text: str, file: str, environ: Mapping[str, str]
) -> tuple[Config | None, list[Problem]]:
    """Return what of a configuration is sound, None if nothing is, and every problem found.

    Without problems it is what ``parse`` returns. Else it lacks the functions and routes that
    cannot be used, and has the default for every other value that is wrong.
    """
    from fcplug.config import salvage  # noqa: PLC0415 - nothing that serves needs it

    try:
        document, checked, problems = _checked(text, file, environ)
    except ConfigError as error:
        return None, error.problems
    sound = salvage.sound(checked) if problems else checked
    return (_config(document, sound) if sound else None), problems


def _checked(
    text: str, file: str, environ: Mapping[str, str], stored: Stored | None = None
) -> tuple[Document, File, list[Problem]]:
    document, problems = read_document(text, file, environ, stored)

    def report(path: Path, what: str, key: str = "") -> None:
        problems.append(document.problem(path, what, key))

    checked: File = schema.check(document.values, File, (), report)
    if checked is not INVALID:
        for path, what in contradictions(checked, document.values or {}):
            report(path, what)
    return document, checked, problems


def _config(document: Document, checked: File) -> Config:
    defaults = structs.asdict(checked.defaults)
    defaults["middleware"] = _spelled_out(checked.defaults.middleware)
    base = FunctionSpec(name="", **defaults)
    return Config(
        document=document,
        runtime=checked.runtime,
        functions={
            name: _merged(name, entry, document.values["functions"][name], base)
            for name, entry in checked.functions.items()
        },
        routes=tuple(checked.routes),
        default=checked.default,
    )


def json_schema() -> str:
    """Return the JSON Schema of the file, for editors."""
    return json.dumps(schema.json_schema(File), indent=2) + "\n"


def _read(file: str) -> str:
    def open_at_once(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NONBLOCK)  # opening a FIFO would wait for its writer

    with open(file, "rb", opener=open_at_once) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(0, "not a regular file")
        data = stream.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise OSError(0, f"larger than {MAX_FILE_SIZE} bytes")
    return data.removeprefix(codecs.BOM_UTF8).decode()


def _merged(
    name: str, entry: FunctionEntry, given: Mapping[str, Any], defaults: FunctionSpec
) -> FunctionSpec:
    """Return a function's entry with the defaults for the keys that the file does not give."""
    own = {key: getattr(entry, key) for key in _KEYS.intersection(given)}  # others are mistakes
    own["settings"] = {**defaults.settings, **entry.settings}
    if "middleware" in own:
        own["middleware"] = _spelled_out(entry.middleware)
    if isinstance(entry.shadow, str):
        own["shadow"] = ShadowEntry(entry.shadow)
    return structs.replace(defaults, name=name, **own)


def _spelled_out(middleware: Iterable[str | MiddlewareEntry]) -> tuple[MiddlewareEntry, ...]:
    return tuple(MiddlewareEntry(item) if isinstance(item, str) else item for item in middleware)
