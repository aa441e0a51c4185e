"""A request's head: parsed by llhttp, with the checks that llhttp leaves to its user.

llhttp (node's parser, here through ``httptools``) refuses bare CR and LF, folded lines, invalid
names, and a length that is doubled, malformed or beside a Transfer-Encoding. This module refuses
what llhttp accepts and a server must not. The rules are those of RFC 9112. Where it leaves a choice
we read it strictly: two readers of one request must never disagree about it.
"""

import re
from functools import lru_cache
from itertools import compress
from operator import not_
from typing import cast
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from fcplug import protocol
from fcplug.server.known_lines import Field, KnownLines
from fcplug.server.refusal import Refusal, bad_request, head_too_large, not_implemented

_CLEAN = bytes([*b"\t\r\n", *range(0x20, 0x7F), *range(0x80, 0x100)])
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+;=:%\[\]-]*")
_SINGLE = {
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_AUTHORIZATION",
    "HTTP_EXPECT",
    "HTTP_HOST",
    "HTTP_TRANSFER_ENCODING",
}
NO_FIELDS = 3  # parts of a head, cut at CRLF, that are no fields: the first line and the end
_SINGLE_PREFIX = protocol.environ_key(protocol.PREFIX)


class HeadError(Exception):
    """The bytes are not the head of a request that this server answers."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class RequestHead(Struct, frozen=True):
    """The values of a request's head.

    ``headers`` are named as in a WSGI environ. Fields of the same name are joined by commas, those
    of cookies by semicolons. ``path`` is percent-decoded, as latin-1 like WSGI requires.
    ``content_length`` is None for a chunked body. ``cookies`` holds the cookie fields one by one if
    there are several.
    """

    method: str
    target: str
    path: str
    query: str
    version: str
    headers: dict[str, str]
    content_length: int | None
    cookies: tuple[str, ...] = ()

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a 100 Continue before it sends the body."""
        return (
            self.version == "1.1"
            and self.content_length != 0
            and self.headers.get("HTTP_EXPECT", "").lower() == "100-continue"
        )


def parse(data: bytes, max_fields: int, known: KnownLines) -> RequestHead:
    """Parse a head, from its first byte to the end of the empty line.

    What is read does not depend on ``known``: that only saves to parse lines again.

    Raises:
        HeadError: with the refusal to answer; its text repeats none of the bytes.
    """
    lines = data.split(b"\r\n")
    found = list(map(known.find, lines))
    found[0] = None  # the first line is no field, whatever it looks like
    if any(found):
        try:
            return _parse_new(lines, found, max_fields, known)
        except HeadError:
            pass  # the reason may be another one for the whole head
    request, fields = read(data)
    head = _head(lines[0], request, fields, max_fields)
    if len(fields) == len(lines) - NO_FIELDS:
        known.add(lines[1:], fields)
    return head


def _parse_new(
    lines: list[bytes], found: list[Field | None], max_fields: int, known: KnownLines
) -> RequestHead:
    """Parse the lines of a head that were not found, as a head of their own, and merge the fields.

    llhttp reads a line the same way whatever the lines before and after it are. The exceptions are
    lines that begin with a space, which it never takes, and those that frame the body, which are
    never known. All else that concerns several lines is checked for the merged fields.
    """
    at = list(compress(range(len(lines)), map(not_, found)))
    new = [lines[place] for place in at]
    request, fields = read(b"\r\n".join(new))
    if len(fields) != len(new) - NO_FIELDS:
        raise HeadError(bad_request("not a valid HTTP request"))
    for place, field in zip(at[1:], fields, strict=False):
        found[place] = field
    head = _head(lines[0], request, cast("list[Field]", found[1:-2]), max_fields)
    known.add(new[1:], fields)
    return head


def _head(
    first: bytes, request: tuple[bytes, bytes], fields: list[Field], max_fields: int
) -> RequestHead:
    """Check what concerns the whole head; ``request`` is its method and target."""
    method, target = request
    version = _version(first, method, target)
    if len(fields) > max_fields:
        raise HeadError(head_too_large(f"more than {max_fields} header fields"))
    if method == b"CONNECT":
        raise HeadError(not_implemented("CONNECT is for proxies"))
    headers, cookies = _join_fields(fields)
    length = body_length(headers, version)
    host = headers.get("HTTP_HOST")
    if host is None and version == "1.1":
        raise HeadError(bad_request("no Host header field"))
    if host and not _HOST.fullmatch(host):
        raise HeadError(bad_request("the Host header field is not a host and port"))
    path, query = _split_target(target, host or "")
    if "HTTP_CONNECTION" in headers:
        headers["HTTP_CONNECTION"] = _connection(headers["HTTP_CONNECTION"])
    return RequestHead(
        method.decode(), target.decode(), path, query, version, headers, length, cookies
    )


class _Fields:
    """llhttp's callbacks; they only collect values."""

    __slots__ = ("complete", "fields", "target")

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[Field] = []
        self.complete = 0

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((_environ_key(name), value.strip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.complete += 1


def read(data: bytes) -> tuple[tuple[bytes, bytes], list[Field]]:
    """Return the method and the target, and the fields in order."""
    if data.translate(None, _CLEAN):
        raise HeadError(bad_request("a control character in the request's head"))
    fields = _Fields()
    parser = HttpRequestParser(fields)
    try:
        parser.feed_data(data)
    except HttpParserUpgrade:
        pass  # an offer to change the protocol, which a server may ignore
    except HttpParserError as error:
        reason = error.args[0] if error.args else "malformed"  # a sentence of llhttp
        raise HeadError(bad_request(f"not a valid HTTP request: {reason}")) from None
    if fields.complete != 1:
        raise HeadError(bad_request("not a valid HTTP request"))
    return (parser.get_method(), fields.target), fields.fields


def _version(line: bytes, method: bytes, target: bytes) -> str:
    for version in ("1.1", "1.0"):
        if line == b"%b %b HTTP/%b" % (method, target, version.encode()):
            return version
    raise HeadError(bad_request("the first line is not: method, target, HTTP/1.1 or HTTP/1.0"))


@lru_cache(maxsize=128)  # the same few dozen names come with every request
def _environ_key(name: bytes) -> str:
    """Return the name in an environ; empty for one that WSGI would confuse with another."""
    return "" if b"_" in name else protocol.environ_key(name.decode())


def _join_fields(fields: list[Field]) -> tuple[dict[str, str], tuple[str, ...]]:
    headers = dict(fields)
    cookies: tuple[str, ...] = ()
    if len(headers) < len(fields):
        headers, cookies = _join_repeated(fields)
    headers.pop("", None)
    return headers, cookies


def _join_repeated(fields: list[Field]) -> tuple[dict[str, str], tuple[str, ...]]:
    headers: dict[str, str] = {}
    cookies: tuple[str, ...] = ()
    for key, value in fields:
        if key not in headers:
            headers[key] = value
        elif key in _SINGLE or key.startswith(_SINGLE_PREFIX):
            raise HeadError(bad_request("a header field that may be sent once was sent twice"))
        elif key == "HTTP_COOKIE":  # they hold commas: RFC 9113, 8.2.3 joins them by semicolons
            cookies = (*(cookies or (headers[key],)), value)
            headers[key] = "; ".join(cookies)
        else:
            headers[key] += ", " + value
    return headers, cookies


def body_length(headers: dict[str, str], version: str) -> int | None:
    """Return the length of the body, None for a chunked one; its coding leaves the headers."""
    length = headers.get("CONTENT_LENGTH")
    coding = headers.pop("HTTP_TRANSFER_ENCODING", None)
    if coding is None:
        if length is None:
            return 0
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise HeadError(bad_request("the Content-Length is not a number"))
        return int(length)
    if length is not None or version == "1.0":
        raise HeadError(bad_request("it is not clear where the request's body ends"))
    if coding.lower() != "chunked":
        raise HeadError(not_implemented("the only transfer coding known is chunked"))
    return None


def _split_target(target: bytes, host: str) -> tuple[str, str]:
    if b"#" in target:
        raise HeadError(bad_request("the request's target holds a fragment"))
    if not target.startswith(b"/"):
        target = _origin_form(target, host)
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")


def _origin_form(target: bytes, host: str) -> bytes:
    """Return the path and query of ``http://host/path?query``, the form for proxies."""
    match = re.fullmatch(rb"https?://([^/?]+)(/[^?]*)?(\?.*)?", target, re.IGNORECASE)
    if not match:
        raise HeadError(bad_request("the request's target is not a path"))
    authority, path, query = match.groups(default=b"")
    if authority.decode("latin-1").lower() != host.lower():
        raise HeadError(bad_request("the request's target and its Host header field disagree"))
    return (path or b"/") + query


def _connection(value: str) -> str:
    """Return ``close`` or ``keep-alive`` alone, as waitress ignores it beside other options."""
    options = {option.strip(" \t").lower() for option in value.split(",")}
    return next((option for option in ("close", "keep-alive") if option in options), value)
