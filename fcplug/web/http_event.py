"""Convert web requests and results to and from FC 3.0's HTTP event.

FC's built-in runtimes pass it to handlers of functions with an HTTP trigger ("version" is "v1" in
FC's documentation of HTTP triggers). Custom runtimes receive the request itself instead.
"""

import base64
import binascii
import functools
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from fcplug import protocol
from fcplug.context import Context
from fcplug.encoding import encode
from fcplug.errors import InvalidResponse
from fcplug.logs.records import utc_second
from fcplug.web.environ import raw_path
from fcplug.web.response import CONTENT_LENGTH, Response, known_name, reason_of

_TEXT_TYPE = re.compile(
    r"text/.*|application/((.*\+)?(json|xml|yaml)|(x-)?(javascript|ndjson|www-form-urlencoded)"
    r"|graphql|sql|toml)"
)
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_STATUS = re.compile(r"[2-5][0-9]{2}")
_WITHOUT_BODY = (204, 205, 304)
_JSON_BEGINS = tuple('{["-0123456789tfnNI')  # what json reads, with NaN and Infinity
_JSON = {
    bool: "true or false", int: "a number", float: "a number", str: "a text",
    list: "a list", dict: "an object", type(None): "null",
}  # fmt: skip


def event_of(environ: Mapping[str, Any], context: Context) -> bytes:
    """Return the HTTP event of a WSGI request, as JSON.

    Header names are capitalized like ``Content-Type``, because WSGI does not keep their case.
    Repeated headers and query parameters are joined by commas; FC's own headers are left out. The
    body is text if it is UTF-8 and its content type is textual or missing, else base64.
    """
    path = raw_path(environ)
    headers = {
        name: value if value.isascii() else _unicode(value)
        for key, name in _header_names(tuple(environ))
        if (value := environ[key]) or key.startswith("HTTP_")
    }
    body, is_base64 = _json_body(_body(environ), headers.get("Content-Type", ""))
    domain = _host_name(headers.get("Host", ""))
    received = time.time() - context.age
    event = {
        "version": "v1",
        "rawPath": path,
        "headers": headers,
        "queryParameters": _parameters(environ.get("QUERY_STRING", "")),
        "body": body,
        "isBase64Encoded": is_base64,
        "requestContext": {
            "accountId": context.account_id,
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "requestId": context.request_id,
            "time": f"{utc_second(int(received))}Z",
            "timeEpoch": str(int(received * 1000)),
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": unquote(path),
                "protocol": environ.get("SERVER_PROTOCOL", ""),
                "sourceIp": environ.get("REMOTE_ADDR", ""),
                "userAgent": headers.get("User-Agent", ""),
            },
        },
    }
    return msgspec.json.encode(event)


def response_of(result: Any, handler: str = "") -> Response:
    """Return the response for a handler's result; ``handler`` is its name in errors.

    An object with ``statusCode`` (and ``headers``, ``isBase64Encoded``, ``body``) describes the
    response; a header with a list of values is sent once for each. Any other result is the body of
    a 200 with the type ``application/json``, ``text/plain`` or ``application/octet-stream``.

    Raises:
        InvalidResult: the result is not JSON.
        InvalidResponse: a key has a value that cannot be sent.
    """
    if type(result) is dict and _is_as_in_json(result):
        return _described(result)  # the same without writing and reading JSON
    data = encode(result, handler)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _response(200, [], "application/octet-stream", data)
    try:
        # an error of json takes longer than all the rest
        is_json = text.lstrip().startswith(_JSON_BEGINS)
        answer = json.loads(text) if is_json else None
    except (ValueError, RecursionError):
        is_json = False
    if not is_json:
        return _response(200, [], "text/plain; charset=utf-8", data)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return _response(200, [], "application/json", data)
    return _described(answer)


def _is_as_in_json(answer: Mapping[Any, Any]) -> bool:
    """Return whether an object describes a response, and is the same once it was JSON.

    ``encode`` sorts keys, so headers must be in that order.
    """
    if "statusCode" not in answer:
        return False
    headers = answer.get("headers") or {}
    rest = [value for key, value in answer.items() if key != "headers"]
    return (
        type(headers) is dict
        and {*map(type, answer), *map(type, headers), *map(type, headers.values())} == {str}
        and {*map(type, rest)} <= {str, int, bool}
        and sorted(headers) == list(headers)
    )


def _described(answer: Mapping[str, Any]) -> Response:
    """Return the response that an object with ``statusCode`` describes."""
    status = _status(answer["statusCode"])
    is_base64 = _typed(answer, "isBase64Encoded", bool) or False
    body = _typed(answer, "body", str) or ""
    default_type = "application/octet-stream" if is_base64 else "text/plain; charset=utf-8"
    return _response(
        status,
        list(_header_fields(_typed(answer, "headers", dict) or {})),
        default_type,
        _from_base64(body) if is_base64 else _to_utf8(body),
    )


@functools.lru_cache(8)  # few: a client may make up long names
def _header_names(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the keys of an environ that are headers, but not FC's, each with its header name.

    The requests of one connection mostly have the same keys.
    """
    return [(key, name) for key in keys if (name := _header_name(key))]


def _header_name(key: str) -> str:
    """Return the header name of an environ key; empty for other keys and for FC's headers."""
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH") and not key.startswith("HTTP_"):
        return ""
    name = "-".join(word.capitalize() for word in key.removeprefix("HTTP_").split("_"))
    return "" if name.lower().startswith(protocol.PREFIX) else name


def _unicode(text: str) -> str:
    """Return a header's value, which WSGI decodes as latin-1, as UTF-8 if it is valid."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True) if query else ():
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _host_name(host: str) -> str:
    """Return the host without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and (not port or port.isdecimal()) else host


def _body(environ: Mapping[str, Any]) -> bytes:
    size = -1 if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(size)
    return body


def _json_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return a body as text for JSON, and whether the text is base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or _TEXT_TYPE.fullmatch(kind):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _response(
    status: int, fields: list[tuple[str, str]], default_type: str, body: bytes
) -> Response:
    if status in _WITHOUT_BODY:
        body = b""
    else:
        if "content-type" not in [known_name(name) for name, _ in fields]:
            fields.append(("Content-Type", default_type))
        fields.append(("Content-Length", str(len(body))))
    return Response(f"{status} {reason_of(status)}", fields, iter((body,)))


def _status(value: Any) -> int:
    text = str(value) if type(value) in (int, str) else ""  # True is an int, too
    if not _STATUS.fullmatch(text):
        shown = repr(text[:20]) if text else _JSON[type(value)]
        raise _invalid("statusCode", f"is {shown}", "return a number from 200 to 599")
    return int(text)


def _typed(answer: Mapping[str, Any], key: str, kind: type) -> Any:
    value = answer.get(key)
    if value is None or isinstance(value, kind):
        return value
    fix = f"return {_JSON[kind]}" + (", encoded with json.dumps" if key == "body" else "")
    raise _invalid(key, f"is {_JSON[type(value)]}", fix)


def _header_fields(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, given in headers.items():
        shown = f"headers[{name[:100]!r}]"
        known = known_name(name)
        if not known:
            raise _invalid(shown, "has a name that cannot be sent", "use letters, digits and '-'")
        for value in given if isinstance(given, list) else [given]:
            if type(value) not in (str, int, float):
                fix = "return a text, or a list of texts to send the header several times"
                raise _invalid(shown, f"is {_JSON[type(value)]}", fix)
            text = str(value)
            if text.isascii() and text.isprintable():  # as most are
                text = text.strip()
            elif _VALUE.fullmatch(text):
                text = _to_utf8(text.strip(), shown).decode("latin-1")
            else:
                raise _invalid(
                    shown, "holds a line break or another control character", "remove it"
                )
            if known != CONTENT_LENGTH:  # set from the body
                yield name, text


def _to_utf8(text: str, key: str = "body") -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        fix = "encode an emoji as one character, not as two surrogates"
        raise _invalid(key, "contains half a surrogate pair, which is not UTF-8", fix) from None


def _from_base64(body: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", body), validate=True)
    except (binascii.Error, ValueError) as error:
        fix = "return base64.b64encode(data).decode(), or isBase64Encoded: false for a text"
        raise _invalid("body", f"is not base64, as isBase64Encoded says: {error}", fix) from None


def _invalid(key: str, what: str, fix: str) -> InvalidResponse:
    return InvalidResponse(f"the handler's response cannot be sent: {key} {what}; {fix}")
