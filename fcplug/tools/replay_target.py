"""What recorded requests are replayed against: the running platform, or a configuration."""

import http.client
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from urllib.parse import quote

from fcplug import protocol
from fcplug.inspection.locating import locate
from fcplug.platform import headers
from fcplug.recording.configured import Configured
from fcplug.recording.record import Answer, Record, body_of
from fcplug.recording.replay import Reply, Target
from fcplug.tools.dev_folder import Running
from fcplug.tools.platform_feed import PlatformError
from fcplug.tools.progress import counting
from fcplug.tools.terminal import printable

LIMIT = 60.0  # seconds for one request


class OnPlatform:
    """The platform that runs over this folder, called by the API of Function Compute."""

    def __init__(self, running: Running, limit: float) -> None:
        self.name = running.url
        self._running = running
        self._limit = limit

    def send(self, record: Record) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            PlatformError: there is no platform any more.
        """
        request, name = record.request, quote(record.function, safe="")
        qualifier = quote(record.qualifier, safe="")
        if request.method:
            service = "default" if record.qualifier == "LATEST" else f"default.{qualifier}"
            target = f"{protocol.PROXY_PATH}{service}/{name}{request.target}"
            return self._call(request.method, target, request.headers, request.content)
        target = f"/2023-03-30/functions/{name}/invocations?qualifier={qualifier}"
        fields = self._running.signed("POST", target, {})
        return self._call("POST", target, tuple(fields.items()), request.content)

    def _call(
        self, method: str, target: str, fields: Sequence[tuple[str, str]], body: bytes
    ) -> Reply:
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self._running.port, self._limit)
        with closing(connection):
            try:
                _send(connection, method, target, fields, body)
                response = connection.getresponse()
                content = response.read()
            except TimeoutError:
                return Reply(_failed("TimedOut", f"no answer in {self._limit:g} seconds"))
            except ConnectionRefusedError:
                raise PlatformError(f"{self.name}: the platform has ended") from None
            except (OSError, ValueError, http.client.HTTPException) as error:
                return Reply(_failed("NoAnswer", printable(str(error) or type(error).__name__)))
        spent = round((time.perf_counter() - begun) * 1000, 2)
        answer = _answer(response, content, spent, web=target.startswith(protocol.PROXY_PATH))
        return Reply(answer, request_id=response.getheader(protocol.REQUEST_ID) or "")

    def close(self) -> None:
        """Leave the platform as it is."""


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    fields: Sequence[tuple[str, str]],
    body: bytes,
) -> None:
    names = {name.lower() for name, _ in fields}
    connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
    for name, value in fields:
        connection.putheader(name, value.encode("utf-8"))
    if body or method in ("POST", "PUT", "PATCH"):
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body or None)


def _failed(code: str, message: str) -> Answer:
    return Answer(code=code, message=message)


def _answer(
    response: http.client.HTTPResponse, content: bytes, spent: float, *, web: bool
) -> Answer:
    if response.getheader(protocol.SERVICE_VERSION) is None:  # the platform's own answer
        document = _document(content)
        message = str(document.get("Message", ""))
        return Answer(response.status, "", str(document.get("Code", "NoAnswer")), message, spent)
    fields = headers.returned(response.getheaders()) if web else ()
    return Answer(
        status=response.status,
        error_type=response.getheader(protocol.FUNCTION_ERROR) or "",
        milliseconds=float(response.getheader(protocol.INVOCATION_DURATION) or spent),
        headers=fields,
        **body_of(content),
    )


def _document(content: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def of_config(config: str | None, python: str | None, limit: float, command: str) -> Configured:
    """Return a configuration as a target; without a path the one of this folder."""
    file = locate(config, dict(os.environ), f"{command} --config")
    return Configured(file, python or sys.executable, limit)


def replies(records: Sequence[Record], target: Target) -> Sequence[Reply]:
    """Send requests one after the other, and return what they get."""
    found = []
    try:
        with counting(f"replaying against {target.name}:") as progress:
            for done, record in enumerate(records):
                progress(done, len(records), record.function)
                found.append(target.send(record))
    finally:
        target.close()
    return found
