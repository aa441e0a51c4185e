"""Web requests that arrive as events, and the answers to them."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fcplug.errors import InvalidEvent
from fcplug.events.decoding import describe_problem
from fcplug.events.wire import Camel


class _Request(Camel, frozen=True, kw_only=True):
    """The fields of both kinds of request."""

    headers: dict[str, str] = {}
    query_parameters: dict[str, str] = {}
    body: str = ""
    is_base64_encoded: bool = False

    @property
    def content(self) -> bytes:
        """The bytes of the body.

        Raises:
            InvalidEvent: the body is not base64, but should be.
        """
        if not self.is_base64_encoded:
            return self.body.encode()
        try:
            return base64.b64decode(self.body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidEvent(f"the request's body is not base64: {error}") from error

    def json(self) -> Any:
        """Return the JSON value of the body.

        Raises:
            InvalidEvent: the body is not JSON.
        """
        content = self.content
        try:
            return msgspec.json.decode(content)
        except (ValueError, RecursionError) as error:
            raise InvalidEvent(
                f"the request's body is {describe_problem(error, content)}"
            ) from None

    def header(self, name: str, default: str = "") -> str:
        """Return a header by its name, in upper or lower case."""
        wanted = name.lower()
        return next((text for key, text in self.headers.items() if key.lower() == wanted), default)


class HttpDetail(Camel, frozen=True, kw_only=True):
    """The first line of the request, and its sender; ``path`` is decoded, unlike ``raw_path``."""

    method: str
    path: str
    protocol: str = ""
    source_ip: str = ""
    user_agent: str = ""


class HttpContext(Camel, frozen=True, kw_only=True):
    """What FC adds to the request; ``time_epoch`` is milliseconds since 1970, as text."""

    http: HttpDetail
    account_id: str = ""
    domain_name: str = ""
    domain_prefix: str = ""
    request_id: str = ""
    time: str = ""
    time_epoch: str = ""
    trigger_id: str = ""


class HttpRequest(_Request, frozen=True, kw_only=True):
    """A web request as FC 3.0 gives it to handlers of events: version ``v1``.

    ::

        {"version": "v1", "rawPath": "/a%20b", "body": "Hello", "isBase64Encoded": false,
         "headers": {"Accept": "*/*"}, "queryParameters": {"size": "1,2"},
         "requestContext": {"http": {"method": "GET", "path": "/a b"}}}

    A repeated header or parameter is one text with commas. ``raw_path`` is the path as in the URL.
    A body that is not text is base64: use ``content`` or ``json()``.

    Source: FC's page on invoking a function by its HTTP trigger; ``triggerId`` is from a template
    of Serverless Devs. Which content types FC takes for text is not documented.
    """

    raw_path: str
    request_context: HttpContext
    version: str = "v1"

    @property
    def method(self) -> str:
        """The method: ``GET``."""
        return self.request_context.http.method

    @property
    def path(self) -> str:
        """The path, decoded."""
        return self.request_context.http.path


class ApiGatewayRequest(_Request, frozen=True, kw_only=True):
    """What API Gateway sends.

    ::

        {"path": "/orders/7", "httpMethod": "POST", "headers": {}, "queryParameters": {},
         "pathParameters": {"id": "7"}, "body": "e30=", "isBase64Encoded": true}

    It expects an object with the four fields of ``HttpResponse``. Any other result of the function
    is an error.

    Source: FC's page "Formats of event for different triggers".
    """

    path: str
    http_method: str
    path_parameters: dict[str, str] = {}


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an ``HttpRequest`` or an ``ApiGatewayRequest``.

    ::

        {"statusCode": 200, "headers": {"Content-Type": "text/plain"},
         "isBase64Encoded": false, "body": "Hello"}

    A body of ``bytes`` is sent as base64. A header with a list of values is sent once for each.
    """

    status_code: int = 200
    headers: Mapping[str, str | Sequence[str]] = {}
    body: str | bytes = ""

    def to_json(self) -> dict[str, Any]:
        """Return the answer with FC's names."""
        encoded = isinstance(self.body, bytes)
        return {
            "statusCode": self.status_code,
            "headers": dict(self.headers),
            "isBase64Encoded": encoded,
            "body": base64.b64encode(self.body).decode() if encoded else self.body,  # type: ignore[arg-type]
        }
