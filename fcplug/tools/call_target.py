"""What a call is sent to: the runtime in this process, or an instance that runs elsewhere."""

import http.client
import json
import os
import re
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, quote, urlsplit

from fcplug import logs, protocol
from fcplug.concurrency import current_loop
from fcplug.config import search
from fcplug.config.file import ConfigFile
from fcplug.context import Context
from fcplug.errors import FcplugError, UnknownFunction
from fcplug.instance import STOP_LIMIT
from fcplug.plugins import code_path
from fcplug.runtime.runtime import Runtime
from fcplug.tools.dev_folder import Running
from fcplug.tools.exit_code import WrongUsage
from fcplug.tools.terminal import printable

_CONNECT_LIMIT = 10.0  # seconds


Sign = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]


class CallError(FcplugError):
    """A call got no answer."""


class Answer(NamedTuple):
    """What a call got.

    Attributes:
        body: as it was sent; of a failed call the error document.
        failed: whether the function, or the runtime in its place, failed.
        seconds: how long it took.
    """

    body: bytes
    failed: bool
    seconds: float


class Target(Protocol):
    """Calls one function; calls may overlap."""

    def call(self, event: bytes) -> Answer:
        """Send an event and wait for the answer.

        Raises:
            CallError: there is none.
        """

    def close(self) -> None:
        """End what the calls have begun."""


class Local:
    """Calls a function by a runtime of its own, as an instance does.

    The log goes to standard output.

    Args:
        config: the path of the configuration, looked for as ``fcplug serve`` does if it is None.
        headers: of each call; they name the function.
        environ: the process environment.

    Raises:
        ConfigError: the configuration is wrong.
        UnknownFunction: no function answers such calls.
    """

    def __init__(
        self, config: str | None, headers: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        self._headers = headers
        self._environ = environ
        command = f"fcplug invoke {shlex.quote(headers[protocol.FUNCTION_NAME])} --config"
        file = search.find(config, environ, command=command)
        loaded = ConfigFile(file, environ).load()
        settings = loaded.runtime
        logs.configure(settings.log_format, settings.log_level, settings.log_blocked)
        current_loop.install()
        code_path.add(environ)
        for name in protocol.hidden_variables(os.environ):
            del os.environ[name]  # from the author's code, as in an instance
        self._runtime = Runtime(loaded, environ)

    def call(self, event: bytes) -> Answer:
        """Send an event and wait for the answer."""
        started = time.perf_counter()
        result = self._runtime.invoke(event, Context.from_headers(self._headers, self._environ))
        seconds = time.perf_counter() - started
        if isinstance(result.error, UnknownFunction):
            raise result.error
        return Answer(result.body, result.error is not None, seconds)

    def close(self) -> None:
        """Run the pre_stop hooks, and end all workers."""
        self._runtime.stop(STOP_LIMIT)


class Remote:
    """Calls a function of an instance by HTTP; each thread has its own connection.

    Args:
        url: of the instance; without a path, ``/invoke`` is asked for.
        headers: of each call; they name the function.
        sign: returns the headers that sign a request with a method, a target and headers.

    Raises:
        WrongUsage: the URL is not one of HTTP.
    """

    def __init__(self, url: str, headers: Mapping[str, str], sign: Sign | None = None) -> None:
        self._sign = sign
        self._address = _parsed(url)
        path = self._address.path.rstrip("/") or protocol.Phase.INVOKE.value
        self._path = f"{path}?{self._address.query}" if self._address.query else path
        self._headers = {
            "content-type": protocol.EVENT_TYPE,
            protocol.CONTROL_PATH: protocol.Phase.INVOKE.value,
            **headers,
        }
        self._threads = threading.local()

    def call(self, event: bytes) -> Answer:
        """Send an event and wait for the answer.

        Raises:
            CallError: there is none.
        """
        headers = {protocol.REQUEST_ID: str(uuid.uuid4()), **self._headers}
        if self._sign is not None:
            headers |= self._sign("POST", self._path, headers)
        started = time.perf_counter()
        try:
            connection = self._connection()
            connection.request("POST", self._path, event, headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._threads.connection = None
            raise self._unanswered(error) from None
        seconds = time.perf_counter() - started
        return Answer(body, self._failed(response, body), seconds)

    def close(self) -> None:
        """Leave the connections to the end of the process."""

    def _failed(self, response: http.client.HTTPResponse, _body: bytes) -> bool:
        status = response.getheader(protocol.STATUS)
        return (
            response.status != http.client.OK
            or status not in (None, str(http.client.OK))
            or response.getheader(protocol.FUNCTION_ERROR) is not None
        )

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None
        connection = getattr(self._threads, "connection", None)
        if connection is None:
            secure = self._address.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            connection = kind(
                str(self._address.hostname), self._address.port, timeout=_CONNECT_LIMIT
            )
            self._threads.connection = connection
        if connection.sock is None:
            connection.connect()
            if connection.sock is not None:
                connection.sock.settimeout(None)  # a function may take its time
        return connection

    def _unanswered(self, error: Exception) -> CallError:
        where = f"{self._address.scheme}://{self._address.netloc}"
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fix = ""
        if isinstance(error, ConnectionRefusedError):
            fix = "\n  fix: start an instance there, as 'fcplug serve' does"
        return CallError(f"{where} gives no answer: {printable(text)}{fix}")


class OnPlatform(Remote):
    """Calls a function by the API of Function Compute, as ``fcplug dev`` serves it.

    ``call`` also raises WrongUsage: the platform has no such function.
    """

    def __init__(self, running: Running, name: str) -> None:
        url = f"{running.url}/2023-03-30/functions/{quote(name, safe='')}/invocations"
        super().__init__(url, {}, running.signed)

    def _failed(self, response: http.client.HTTPResponse, body: bytes) -> bool:
        if response.status == http.client.NOT_FOUND and (missing := _no_function(body)):
            raise WrongUsage(
                f"{missing}\n  fix: use a name of functions.yaml; fcplug check lists them"
            )
        return super()._failed(response, body)


def _no_function(body: bytes) -> str:
    """Return the message of an error document of the API that says so; else an empty text."""
    try:
        document = json.loads(body)
        return printable(document["Message"]) if document["Code"] == "FunctionNotFound" else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _parsed(url: str) -> SplitResult:
    if "@" in re.split("[/?#]", url.partition("://")[2] or url)[0]:
        raise WrongUsage("a URL with a password shows it to everybody: use --header")
    try:
        address = urlsplit(url)
        address.port  # noqa: B018 - raises ValueError if it is no number
    except ValueError as error:
        raise WrongUsage(f"the URL {url!r} cannot be used: {error}") from None
    if address.scheme not in ("http", "https") or not address.hostname:
        raise WrongUsage(
            f"the URL {url!r} does not begin with http:// or https://\n"
            "  fix: name an instance as http://localhost:9000 does"
        )
    return address
