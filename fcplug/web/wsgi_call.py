"""Call a WSGI application (PEP 3333), and check its answer.

FC 2.0's built-in runtime accepts more than PEP 3333 allows, and so does this module: text is sent
as UTF-8, a plain ``str`` or ``bytes`` is the body, a status needs no reason, headers are any
iterable of pairs, and the last call of ``start_response`` counts. The log then has one line of
advice, because other servers reject it.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from types import FunctionType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any

from fcplug.errors import InvalidResponse
from fcplug.web.response import (
    CONTENT_LENGTH,
    Response,
    close_failed,
    has_no_body,
    known_name,
    reason_of,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = logging.getLogger("fcplug")

_SIZED = (list, tuple)
_DEFAULTS = {"CONTENT_TYPE": "application/octet-stream", "CONTENT_LENGTH": "0"}
_CODE = re.compile(r"[2-5][0-9]{2}")
_STATUS = re.compile(r"[2-5][0-9]{2} [\t -~\x80-\xff]*")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,18}")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Caller:
    """Calls one application, and logs advice for its author once.

    A plain function may be an HTTP handler of FC 2.0. As there, its environ always has a content
    type and a content length, even if the client sent none.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._is_handler = isinstance(application, FunctionType | MethodType)
        self._advised = False

    def call(self, environ: "WSGIEnvironment") -> Response:
        """Call the application, up to its status and the first bytes of its body.

        Read and close the body on the same thread, because frameworks keep the state of a request
        in thread-local variables.

        Raises:
            InvalidResponse: the answer cannot be sent.
            BaseException: the application's error.
        """
        if self._is_handler:
            for key, value in _DEFAULTS.items():
                environ[key] = environ.get(key) or value
        start = _StartResponse()
        result: Any = self._application(environ, start)
        try:
            body: Any = result if type(result) in _SIZED else _iterable(start, result)
            whole = type(body) in _SIZED and len(body) <= 1
            if whole:
                data = start.take() + _as_bytes(body[0] if body else b"")
                chunks: Iterator[bytes] = iter((data,) if data else ())
            else:
                chunks = _chunks(start, body)
                if first := next(chunks, None):
                    chunks = chain((first,), chunks)
            status, headers = start.begin()
            closing = getattr(result, "close", None)
        except BaseException:
            close_failed(result)
            raise
        if start.advice and not self._advised:
            self._log_advice(start.advice)
        if (
            whole
            and not start.sized
            and environ.get("REQUEST_METHOD") != "HEAD"
            and not has_no_body(status)
        ):
            headers.append(("Content-Length", str(len(data))))
        return Response(status, headers, chunks, [closing] if closing else [])

    def _log_advice(self, advice: str) -> None:
        self._advised = True
        name = getattr(self._application, "__qualname__", type(self._application).__name__)
        log.info("the application %s %s; other servers reject that", name, advice)


class _StartResponse:
    """The ``start_response`` callable of one request; it keeps the status and headers.

    Attributes:
        advice: the first thing that only FC 2.0's runtime and this one accept, or empty.
        sized: whether the headers have a Content-Length.
    """

    def __init__(self) -> None:
        self.advice = ""
        self.sized = False
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._begun = False
        self._written: list[bytes] = []

    def __call__(
        self, status: str, response_headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info and exc_info[1] and self._begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._head and not exc_info:
            if self._begun:
                raise InvalidResponse(
                    "the application called start_response again after its first bytes: "
                    "call it once, before the body"
                )
            self.advise("calls start_response twice: call it once")
        line = self._checked_status(status)
        headers, self.sized = self._checked_headers(response_headers)
        self._head = line, headers
        return self._write

    def begin(self) -> tuple[str, list[tuple[str, str]]]:
        """Return status and headers; from now on they cannot be replaced."""
        if self._head is None:
            raise InvalidResponse(
                "the application answered without calling start_response: "
                "call it before the first bytes of the body"
            )
        self._begun = True
        return self._head

    def advise(self, what: str) -> None:
        """Record advice for the application's author; only the first one is kept."""
        self.advice = self.advice or what

    def take(self) -> bytes:
        """Return the data passed to ``write`` since the last call."""
        if not self._written:
            return b""
        data = b"".join(self._written)
        self._written.clear()
        return data

    def _write(self, data: bytes) -> None:
        self._written.append(_as_bytes(data))

    def _checked_status(self, status: Any) -> str:
        line = _status_line(str(status)) if isinstance(status, str) else ""
        if not line:
            raise InvalidResponse(
                f"the status is {_describe(status)}: give three digits from 200 to 599, a space "
                "and a reason, as '200 OK'"
            )
        if line != status:
            self.advise(f"gives the status {status!r}: give {line!r}")
        return line

    def _checked_headers(self, headers: Any) -> tuple[list[tuple[str, str]], bool]:
        """Return the fields as a new list, and whether one is a Content-Length.

        Raises:
            InvalidResponse: one cannot be sent.
        """
        if not isinstance(headers, list):
            if isinstance(headers, str | bytes | dict) or not isinstance(headers, Iterable):
                raise InvalidResponse(
                    f"the headers are {_describe(headers)}: give a list of (name, value)"
                )
            self.advise(f"gives the headers as {_describe(headers)}: give a list of (name, value)")
        fields, sized = [], False
        for item in headers:
            field = item
            if isinstance(item, list):
                self.advise("gives a header as a list: give a tuple (name, value)")
                field = tuple(item)
            name, value = _checked_field(field)
            if known_name(name) == CONTENT_LENGTH:
                if sized or not _LENGTH.fullmatch(value):
                    raise InvalidResponse(
                        "the Content-Length is not a number, or is given twice: give one number"
                    )
                sized = True
            fields.append((name, value))
        return fields, sized


def _checked_field(field: Any) -> tuple[str, str]:
    name, value = field if isinstance(field, tuple) and len(field) == 2 else (None, None)
    if not (type(name) is type(value) is str):
        raise InvalidResponse(f"a header is {_describe(field)}: give a tuple of two str")
    if not known_name(name):
        raise InvalidResponse(f"a header's name is {name!a}: give letters, digits and dashes")
    # most are plain, and a regular expression takes longer
    if not (value.isascii() and value.isprintable()) and not _VALUE.fullmatch(value):
        raise InvalidResponse(
            f"the header {name} has a value with a character that cannot be sent: "
            "remove control characters, and encode other text as latin-1"
        )
    return name, value


def _chunks(start: _StartResponse, result: Iterable[Any]) -> Iterator[bytes]:
    """Yield the chunks that are not empty, each after the data written before it."""
    for chunk in result:
        data = _as_bytes(chunk)
        data = start.take() + data
        if data:
            yield data
    if data := start.take():
        yield data


def _iterable(start: _StartResponse, result: Any) -> Iterable[Any]:
    if isinstance(result, (bytes, str)):
        if isinstance(result, str):
            start.advise("returns a str: return a list of bytes, as [text.encode()]")
        return (result,)
    kind = type(result)
    if not (hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")):
        raise InvalidResponse(
            f"the application returned {_describe(result)}: "
            "return an iterable of bytes, as [b'...']"
        )
    return result  # type: ignore[no-any-return]


def _as_bytes(chunk: Any) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    raise InvalidResponse(f"the body holds {_describe(chunk)}: give bytes")


@lru_cache(maxsize=128)
def _status_line(status: str) -> str:
    """Return the status line, with a reason if only a number was given; empty if it is none."""
    if _STATUS.fullmatch(status):
        return status
    return f"{status} {reason_of(int(status))}" if _CODE.fullmatch(status) else ""


def _describe(value: Any) -> str:
    """Describe a wrong value briefly, with its text if that is short."""
    if value is None:
        return "None"
    name = type(value).__name__
    text = ascii(value) if isinstance(value, int | str) else ""
    return f"{text} ({name})" if 0 < len(text) <= 80 else f"an object of type {name}"
