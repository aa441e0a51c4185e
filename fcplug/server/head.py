"""A request's head: parsed by llhttp, with the checks that llhttp leaves to its user.

llhttp (node's parser, here through ``httptools``) refuses bare CR and LF, folded lines, invalid
names, and a length that is doubled, malformed or beside a Transfer-Encoding. This module refuses
what llhttp accepts and a server must not. The rules are those of RFC 9112. Where it leaves a choice
we read it strictly: two readers of one request must never disagree about it.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from fcplug import protocol
from fcplug.server.refusal import Refusal, bad_request, head_too_large, not_implemented

_CLEAN = bytes([*b"\t\r\n", *range(0x20, 0x7F), *range(0x80, 0x100)])
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+;=:%\[\]-]*")
_SINGLE = {
    "AUTHORIZATION",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "EXPECT",
    "HOST",
    "TRANSFER_ENCODING",
}
_SINGLE_PREFIX = protocol.PREFIX.upper().replace("-", "_")


class HeadError(Exception):
    """The bytes are not the head of a request that this server answers."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class RequestHead(Struct, frozen=True):
    """The values of a request's head.

    ``headers`` are named as in CGI, without ``HTTP_``: upper case, underscores for dashes. Fields
    of the same name are joined by commas, those of cookies by semicolons. ``path`` is
    percent-decoded, as latin-1 like WSGI requires. ``content_length`` is None for a chunked body.
    ``cookies`` holds the cookie fields one by one if there are several.
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
            and self.headers.get("EXPECT", "").lower() == "100-continue"
        )


def parse(data: bytes, max_fields: int) -> RequestHead:
    """Parse a head, from its first byte to the end of the empty line.

    Raises:
        HeadError: with the refusal to answer; its text repeats none of the bytes.
    """
    fields, method = _read(data)
    target, pairs = fields.target, fields.pairs
    version = _version(data, method, target)
    if len(pairs) > max_fields:
        raise HeadError(head_too_large(f"more than {max_fields} header fields"))
    if method == b"CONNECT":
        raise HeadError(not_implemented("CONNECT is for proxies"))
    headers, cookies = _join_fields(pairs)
    length = _body_length(headers, version)
    host = headers.get("HOST")
    if host is None and version == "1.1":
        raise HeadError(bad_request("no Host header field"))
    if host and not _HOST.fullmatch(host):
        raise HeadError(bad_request("the Host header field is not a host and port"))
    path, query = _split_target(target, host or "")
    if "CONNECTION" in headers:
        headers["CONNECTION"] = _connection(headers["CONNECTION"])
    return RequestHead(
        method.decode(), target.decode(), path, query, version, headers, length, cookies
    )


class _Fields:
    """llhttp's callbacks; they only collect values."""

    __slots__ = ("complete", "pairs", "target")

    def __init__(self) -> None:
        self.target = b""
        self.pairs: list[tuple[bytes, bytes]] = []
        self.complete = 0

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete += 1


def _read(data: bytes) -> tuple[_Fields, bytes]:
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
    return fields, parser.get_method()


def _version(data: bytes, method: bytes, target: bytes) -> str:
    line = data[: data.index(b"\r\n")]
    for version in ("1.1", "1.0"):
        if line == b"%b %b HTTP/%b" % (method, target, version.encode()):
            return version
    raise HeadError(bad_request("the first line is not: method, target, HTTP/1.1 or HTTP/1.0"))


@lru_cache(maxsize=1024)  # the same few dozen names come with every request
def _cgi_name(name: bytes) -> str:
    """Return the name as in CGI; empty for one that CGI would confuse with another."""
    return "" if b"_" in name else name.upper().replace(b"-", b"_").decode()


def _join_fields(pairs: list[tuple[bytes, bytes]]) -> tuple[dict[str, str], tuple[str, ...]]:
    headers: dict[str, str] = {}
    cookies: tuple[str, ...] = ()
    for name, raw in pairs:
        key, value = _cgi_name(name), raw.strip(b" \t").decode("latin-1")
        if key not in headers:
            headers[key] = value
        elif key in _SINGLE or key.startswith(_SINGLE_PREFIX):
            raise HeadError(bad_request("a header field that may be sent once was sent twice"))
        elif key == "COOKIE":  # cookies hold commas: RFC 9113, 8.2.3 joins them by semicolons
            cookies = (*(cookies or (headers[key],)), value)
            headers[key] = "; ".join(cookies)
        else:
            headers[key] += ", " + value
    headers.pop("", None)
    return headers, cookies


def _body_length(headers: dict[str, str], version: str) -> int | None:
    length = headers.get("CONTENT_LENGTH")
    coding = headers.pop("TRANSFER_ENCODING", None)
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
