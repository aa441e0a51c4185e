"""Function Compute's HTTP API on this machine, so that the official SDKs work against it."""

import errno
import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

import falcon
import waitress

from fcplug import protocol
from fcplug.errors import BindError
from fcplug.platform import answers, feed, headers, invoking, lookups, signatures
from fcplug.platform.answers import ApiError
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import SYNC_PAYLOAD, Platform

PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES)  # another port helps, not another address
THREADS = 64  # each serves one call at a time, and a function may call others through the API

_FC3 = "/2023-03-30"
_FC2 = ("/2021-04-06", "/2016-08-15")
_CLASSIC = "/2016-08-15/services/{service}/functions"
_PROXY = re.compile(protocol.PROXY_PATH + r"(?P<service>[^/]+)/(?P<function>[^/]+)(?:/.*)?$")
_CODES = {404: "PathNotSupported", 405: "MethodNotAllowed"}

log = logging.getLogger("fcplug.platform")


def create_app(
    platform: Platform, queue: AsyncQueue, keys: Mapping[str, str]
) -> "falcon.App[falcon.Request, falcon.Response]":
    """Return the WSGI application of the API, in its three versions.

    ``keys``: secrets by access key id. With none, every client on this machine may call; with
    some, a client must sign with one of them. Web requests may also come unsigned, as to an HTTP
    trigger without authentication.
    """
    app = falcon.App(middleware=[_Admission(keys)])
    app.resp_options.default_media_type = ""
    calls = invoking.Invoking(platform, queue)
    shown = lookups.Lookups(platform, queue)
    functions = f"{_FC3}/functions"
    _add_function_routes(app, functions, "async-tasks", calls, shown)
    for version in _FC2:
        services = f"{version}/services"
        app.add_route(services, shown, suffix="services")
        app.add_route(f"{services}/{{service}}", shown, suffix="service")
        functions = f"{services}/{{service}}/functions"
        _add_function_routes(app, functions, "stateful-async-invocations", calls, shown)
    app.add_route(f"{_CLASSIC}/{{function}}", _ClassicFunction(calls, shown))
    app.add_sink(calls.on_proxy, _PROXY)
    read = feed.Feed(platform)
    app.add_route(feed.LOG_PATH, read, suffix="log")
    app.add_route(feed.CALLS_PATH, read, suffix="calls")
    for kind in (Exception, falcon.HTTPError, ApiError):  # the last that fits is used
        app.add_error_handler(kind, _answer_error)
    return app


def _add_function_routes(
    app: "falcon.App[falcon.Request, falcon.Response]",
    functions: str,
    tasks: str,
    calls: invoking.Invoking,
    shown: lookups.Lookups,
) -> None:
    one = f"{functions}/{{function}}"
    app.add_route(functions, shown, suffix="functions")
    app.add_route(one, shown, suffix="function")
    app.add_route(f"{one}/invocations", calls)
    app.add_route(f"{one}/{tasks}", shown, suffix="tasks")
    app.add_route(f"{one}/{tasks}/{{task}}", shown, suffix="task")
    app.add_route(f"{one}/{tasks}/{{task}}/stop", shown, suffix="stop")


class _ClassicFunction:
    """A function of the oldest version, whose documents invoke it without ``/invocations``."""

    def __init__(self, calls: invoking.Invoking, shown: lookups.Lookups) -> None:
        self.on_post = calls.on_post
        self.on_get = shown.on_get_function


class _Admission:
    """Gives each request its id, reads its body within the limits, and checks who sends it."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        request.context.request_id = headers.new_request_id()
        target = invoking.raw_target(request)
        web = target.startswith(protocol.PROXY_PATH)
        invoking.check_size(
            request.content_length or 0, is_async=invoking.is_async(request), web=web
        )
        request.context.body = request.bounded_stream.read()
        sent = {name.lower(): value for name, value in request.headers.items()}
        if not self._keys:
            if not web:
                _refuse_other_sites(sent)
        elif not web or signatures.is_signed(sent):
            path, _, query = target.partition("?")
            signed = signatures.SignedRequest(
                request.method, path, query, sent, request.context.body
            )
            signatures.verify(signed, self._keys)


def _refuse_other_sites(sent: Mapping[str, str]) -> None:
    """Refuse what a page of another site sends from a browser on this machine, if none must sign.

    A page that lets its name point here sends its name as the host; any other page its origin.
    """
    origin = sent.get("origin", "http://localhost")
    if not _is_local(sent.get("host", "")) or not _is_local(origin.partition("://")[2]):
        raise ApiError(
            403,
            "AccessDenied",
            "the request comes from a page of another site, or its Host is neither an IP address "
            "nor localhost: use 127.0.0.1, or give the platform keys and sign the request",
        )


def _is_local(place: str) -> bool:
    """Return whether a host with its port is an IP address or localhost, so no site's own name."""
    try:
        name = (urlsplit(f"//{place}").hostname or "").rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _answer_error(
    request: falcon.Request,
    response: falcon.Response,
    error: Exception,
    _parameters: Mapping[str, object],
) -> None:
    if isinstance(error, falcon.HTTPError):
        code = _CODES.get(error.status_code, "InvalidArgument")
        text = error.description or f"{request.method} {request.path[:200]}: {error.title}"
        error = ApiError(error.status_code, code, text)
    elif not isinstance(error, ApiError):
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        error = ApiError(500, "InternalServerError", f"{type(error).__name__}: {error}")
    lookups.send(response, answers.of_error(error, request.context.request_id))


class ApiServer:
    """The API on a port of this machine, in threads of its own until it is closed.

    Attributes:
        port: the one that it listens on, also if it was asked for any (0).

    Raises:
        BindError: the port is in use, or not ours to use.
    """

    def __init__(
        self,
        app: "falcon.App[falcon.Request, falcon.Response]",
        port: int,
        host: str = "127.0.0.1",
    ) -> None:
        try:
            listener = socket.create_server((host, port))
        except OSError as error:
            other = "port" if error.errno in PORT_ERRORS else "address"
            raise BindError(
                f"the local platform cannot listen on {host}:{port}: {error.strerror}; choose "
                f"another {other}"
            ) from error
        self.port: int = listener.getsockname()[1]
        self._server = waitress.create_server(
            app,
            sockets=[listener],
            threads=THREADS,
            channel_request_lookahead=1,  # notices a client that leaves during a call
            log_socket_errors=False,  # clients may leave at any moment
            ident=None,
            clear_untrusted_proxy_headers=False,  # web functions see what their clients send
            max_request_body_size=2 * SYNC_PAYLOAD,  # more is not read to its end
            channel_timeout=24 * 3600,  # a call may last as long
        )
        self._thread = threading.Thread(target=self._server.run, name="fcplug-api", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more, and cut off the calls that run."""
        self._server.trigger.pull_trigger(self._leave_loop)
        self._thread.join(5)
        self._server.task_dispatcher.shutdown(timeout=1)
        self._server.close()  # not before: threads write into its trigger

    def _leave_loop(self) -> None:
        """Take everything from the loop of the server, so that it ends; runs in its thread."""
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.del_channel()
        self._server.trigger.del_channel()
