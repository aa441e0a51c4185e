"""``functions.yaml`` as frozen values, and every problem in it told at once."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from fcplug import schema
from fcplug.document import Document, FromEnvironment, Path
from fcplug.document import parse as parse_document
from fcplug.errors import ConfigError, Problem, did_you_mean

MAX_FILE_SIZE = 1024 * 1024  # bytes

Seconds = Annotated[float, Meta(gt=0, le=86400)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
FunctionName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$(?!\n)",
        description="a function name: letters, digits, '_', '.' and '-', at most 128",
    ),
]
UrlPath = Annotated[str, Meta(pattern="^/", description="a path that begins with /")]
Pattern = Annotated[str, Meta(min_length=1)]


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file; a key that it does not know is an error."""


class RuntimeEntry(_Entry, frozen=True):
    """The process as a whole."""

    threads: Annotated[Count, Meta(description="invocations at once in this process")] = 32
    drain_timeout: Annotated[
        Seconds, Meta(description="seconds to finish what was accepted, after SIGTERM")
    ] = 30.0
    log_format: Annotated[
        Literal["text", "json"], Meta(description="how log records are written")
    ] = "text"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Meta(description="the least level of log record that is written"),
    ] = "INFO"
    health_path: Annotated[
        UrlPath | None,
        Meta(description="answers GET with 200 whatever else runs; null for none"),
    ] = "/health"


class MiddlewareEntry(_Entry, frozen=True):
    """A plugin that wraps a function's hooks, with settings of its own."""

    name: str
    settings: dict[str, Any] = {}


class DefaultsEntry(_Entry, frozen=True):
    """What every function has unless its own entry says otherwise."""

    middleware: Annotated[
        list[str | MiddlewareEntry],
        Meta(description="plugins that wrap the hooks, outermost first"),
    ] = []
    settings: Annotated[
        dict[str, Any], Meta(description="handed to the handler; merged key by key with defaults")
    ] = {}
    timeout: Annotated[
        Seconds | None, Meta(description="seconds an invocation may take; null for FC's own limit")
    ] = None
    concurrency: Annotated[
        Count | None, Meta(description="invocations at once of this function; more answer 429")
    ] = None


class FunctionEntry(DefaultsEntry, frozen=True, kw_only=True):
    """One function, under the name FC calls it by."""

    handler: Annotated[
        str,
        Meta(description="an entry point of group fcplug.handlers, dist:name, or module:attribute"),
    ]


class MatchEntry(_Entry, frozen=True):
    """What a request must carry: each exact, or with the wildcards ``*``, ``?`` and ``[...]``."""

    function: Pattern | None = None
    handler: Pattern | None = None
    qualifier: Pattern | None = None


class RouteEntry(_Entry, frozen=True):
    """A rule that says which function answers; the first that matches does."""

    match: MatchEntry
    to: Annotated[
        str | dict[str, Count],
        Meta(description="a function, or functions with weights, split by request id"),
    ]


class File(_Entry, frozen=True):
    """``functions.yaml``: which functions this runtime serves, and how."""

    version: Literal[1]
    functions: dict[FunctionName, FunctionEntry]
    runtime: RuntimeEntry = RuntimeEntry()
    defaults: DefaultsEntry = DefaultsEntry()
    routes: list[RouteEntry] = []
    default: Annotated[str | None, Meta(description="who answers when nothing else matched")] = None


class FunctionSpec(Struct, frozen=True):
    """One function with the defaults merged in."""

    name: str
    handler: str
    middleware: tuple[MiddlewareEntry, ...]
    settings: Mapping[str, Any]
    timeout: float | None
    concurrency: int | None


class Config(Struct, frozen=True):
    """A checked configuration, and the document it was read from."""

    document: Document
    runtime: RuntimeEntry
    functions: Mapping[str, FunctionSpec]
    routes: tuple[RouteEntry, ...]
    default: str | None

    @property
    def file(self) -> str:
        """The file it was read from."""
        return self.document.file


def load(file: str, environ: Mapping[str, str]) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read, or holds problems: all of them, each with its place.
    """
    try:
        text = _read(file)
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise ConfigError([Problem(file, line, column, "", f"not UTF-8: {error.reason}")]) from None
    except OSError as error:
        raise ConfigError([Problem(file, 1, 1, "", f"cannot be read: {error.strerror}")]) from None
    return parse(text, file, environ)


def parse(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """Turn the text of a configuration file into values.

    Raises:
        ConfigError: with every problem found, each with its place.
    """
    document = parse_document(text, file, environ)
    problems: list[Problem] = []

    def report(path: Path, what: str, key: str = "") -> None:
        problems.append(document.problem(path, what, key))

    checked: File = schema.check(document.values, File, (), report)
    if not problems:
        for path, what in _contradictions(checked):
            report(path, what)
    if problems:
        raise ConfigError(problems)
    return Config(
        document=document,
        runtime=checked.runtime,
        functions={
            name: _merged(name, entry, document.values["functions"][name], checked.defaults)
            for name, entry in checked.functions.items()
        },
        routes=tuple(checked.routes),
        default=checked.default,
    )


def json_schema() -> str:
    """Return the JSON Schema of the file, for editors."""
    return json.dumps(schema.json_schema(File), indent=2) + "\n"


def _read(file: str) -> str:
    def without_waiting(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NONBLOCK)  # a FIFO waits for its writer

    with open(file, "rb", opener=without_waiting) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(0, "not a regular file")
        data = stream.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise OSError(0, f"larger than {MAX_FILE_SIZE} bytes")
    return data.decode("utf-8-sig")


def _contradictions(file: File) -> Iterator[tuple[Path, str]]:
    """Yield what each value alone allows and the file as a whole does not."""
    if not file.functions:
        yield ("functions",), "at least one function is needed"
    for index, route in enumerate(file.routes):
        path: Path = ("routes", index)
        if route.match == MatchEntry():
            yield (*path, "match"), "give function, handler or qualifier; default takes the rest"
        if not route.to:
            yield (*path, "to"), "name at least one function"
            continue
        for target in [route.to] if isinstance(route.to, str) else route.to:
            way = (*path, "to") if isinstance(route.to, str) else (*path, "to", target)
            yield from _unknown(target, file, way)
    if file.default is not None:
        yield from _unknown(file.default, file, ("default",))


def _unknown(name: str, file: File, path: Path) -> Iterator[tuple[Path, str]]:
    if name not in file.functions:
        secret = isinstance(name, FromEnvironment)
        told = "of the name that the environment gives" if secret else f"'{name}'"
        yield path, f"no function {told}{did_you_mean(name, file.functions)}"


def _merged(
    name: str, entry: FunctionEntry, given: Mapping[str, Any], defaults: DefaultsEntry
) -> FunctionSpec:
    def own_or_default(key: str) -> Any:
        return getattr(entry if key in given else defaults, key)

    return FunctionSpec(
        name=name,
        handler=entry.handler,
        middleware=tuple(
            MiddlewareEntry(item) if isinstance(item, str) else item
            for item in own_or_default("middleware")
        ),
        settings={**defaults.settings, **entry.settings},
        timeout=own_or_default("timeout"),
        concurrency=own_or_default("concurrency"),
    )
