"""Serve one function in a worker, one call at a time.

The states, with the frames that the worker sends (->) and receives (<-)::

    -> HELLO   <- ASSIGNMENT   load   -> READY (or ERROR, and exit)
    idle: <- CALL   run the hook   -> RESULT or ERROR   idle
    web:  <- CALL   -> RESULT with the whole answer, or ERROR   idle
          <- CALL   -> HEAD   (<- NEXT  -> CHUNK)*   <- NEXT or STOP  -> RESULT or ERROR   idle
    the runtime closes the connection: exit
"""

import contextvars
import ctypes
import io
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NoReturn

import fcplug
from fcplug import hookspecs, logs
from fcplug.concurrency import current_loop
from fcplug.concurrency.event_loop import EventLoop
from fcplug.context import Context, current
from fcplug.encoding import encode
from fcplug.plugins import code_path
from fcplug.plugins.loader import Loader, Plugins
from fcplug.plugins.shared_hooks import SharedHooks
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.web.response import Response, close_failed, has_no_body, length_of
from fcplug.workers.assignment import Assignment
from fcplug.workers.error_report import ErrorReport
from fcplug.workers.messages import WEB, CallReader, Hello, HookCall, Ready, ResponseHead, decoded
from fcplug.workers.wire import MAX_PART, Frame, FrameConnection, Kind

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PR_SET_PDEATHSIG = 1
_standard = select.poll()  # finds standard descriptors that are closed, or whose reader is gone
for _number in range(3):
    _standard.register(_number, 0)


def serve(sock: socket.socket) -> NoReturn:
    """Serve calls from the runtime until it closes the connection, then exit."""
    _die_with_parent()
    sock.set_inheritable(False)
    os.register_at_fork(after_in_child=sock.close)  # a forked child must not answer
    connection = FrameConnection(sock)
    with suppress(EOFError, OSError):
        connection.send(Frame(Kind.HELLO, header=Hello(fcplug.__version__).to_header()))
        assignment = Assignment.from_header(decoded(connection.receive().header, dict))
        _prepare(assignment)
        worker = _load(connection, assignment)
        while worker:
            worker.answer(connection.receive())
    logs.finish()
    os._exit(0)  # even if a handler's threads still run


def _load(connection: FrameConnection, assignment: Assignment) -> "_CallServer | None":
    """Load the function and report the result; return None if it cannot be loaded."""
    try:
        loader = Loader(assignment.document, EventLoop(), os.environ, SharedHooks())
        plugins = loader.load(assignment.spec)
    except BaseException as error:
        _end_output(None)
        connection.send(Frame(Kind.ERROR, header=ErrorReport.from_error(error).to_header()))
        return None
    hooks = [phase for phase in hookspecs.NAMES if plugins.implements(phase)]
    _end_output(None)
    connection.send(Frame(Kind.READY, header=Ready(plugins.package, hooks).to_header()))
    return _CallServer(connection, assignment, plugins)


class _CallServer:
    def __init__(
        self, connection: FrameConnection, assignment: Assignment, plugins: Plugins
    ) -> None:
        self._connection = connection
        self._spec = assignment.spec
        self._plugins = plugins
        self._calls = CallReader(self._spec.settings, self._spec.name)
        self._context: Context | None = None
        self._forks = fork_counter.forks

    def answer(self, frame: Frame) -> None:
        """Run one call and send its result or its error."""
        try:
            call, self._context = self._calls.read(frame.header)
            # a copy, so that context variables set by a handler do not outlive its call
            answer = contextvars.copy_context().run(self._run, call, frame, self._context)
            self._end_forked_child(None)
            if (size := len(answer.body)) > MAX_PART:
                raise ValueError(f"a result of {size} bytes: {MAX_PART} may be sent")
        except BaseException as error:
            self._end_forked_child(error)
            if isinstance(error, MemoryError):
                traceback.clear_frames(error.__traceback__)  # free the memory that frames hold
            answer = Frame(Kind.ERROR, frame.number, self._report(error).to_header())
        _end_output(self._context)
        self._connection.send(answer)

    def _run(self, call: HookCall, frame: Frame, context: Context) -> Frame:
        current.set(context)
        if call.hook == WEB:
            return self._web(call, frame, context)
        if call.hook == "invoke":
            result = self._plugins.invoke(frame.body, context)
        else:
            result = self._hook(call.hook, context)
        return Frame(Kind.RESULT, frame.number, body=encode(result, self._spec.handler or ""))

    def _web(self, call: HookCall, frame: Frame, context: Context) -> Frame:
        """Answer a web request; return the last frame of its answer."""
        environ: WSGIEnvironment = {
            **call.environ,
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(frame.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        response = self._plugins.web(environ, context)
        self._end_forked_child(None)
        try:
            last = self._send_response(frame.number, response, environ["REQUEST_METHOD"])
        except BaseException:
            close_failed(response)
            raise
        response.close()
        return last

    def _send_response(self, number: int, response: Response, method: str) -> Frame:
        """Send an answer, each chunk when the runtime requests it; return the last frame.

        If the first chunk is the whole body, this frame is the answer. The runtime would request
        this chunk at once, and look for another one when it has the Content-Length.
        """
        head = ResponseHead(response.status, response.headers).to_header()
        pieces = _pieces(response.body)
        if method != "HEAD" and not has_no_body(response.status):
            begun = list(islice(pieces, 1))
            if sum(map(len, begun)) == length_of(response.headers):
                beyond = list(islice(pieces, 1))
                if not beyond:
                    return Frame(Kind.RESULT, number, head, b"".join(begun))
                begun += beyond
            pieces = chain(begun, pieces)
        self._connection.send(Frame(Kind.HEAD, number, head))
        while self._connection.receive().kind == Kind.NEXT:
            piece = next(pieces, None)
            if piece is None:
                break
            self._connection.send(Frame(Kind.CHUNK, number, body=piece))
        return Frame(Kind.RESULT, number)

    def _report(self, error: BaseException) -> ErrorReport:
        return (
            ErrorReport.from_error(error, self._context.credentials)
            if self._context
            else ErrorReport.from_error(error)
        )

    def _end_forked_child(self, error: BaseException | None) -> None:
        """Exit if this is a child that the handler has forked: the parent answers the call."""
        if fork_counter.forks != self._forks:
            end_forked_child(error)

    def _hook(self, hook: str, context: Context) -> Any:
        if hook == "initialize":
            return self._plugins.initialize(context)
        if hook == "pre_stop":
            self._plugins.pre_stop(context)
        else:
            self._plugins.pre_freeze(context)
        return b""


def _pieces(body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a body, split to fit into frames."""
    for chunk in body:
        for start in range(0, len(chunk), MAX_PART):
            yield chunk[start : start + MAX_PART]


def _die_with_parent() -> None:
    if sys.platform == "linux":
        # before HELLO: if the parent has died before this, no assignment arrives
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _prepare(assignment: Assignment) -> None:
    import resource  # noqa: PLC0415 - not on every system where this module is imported

    spec, settings = assignment.spec, assignment.settings
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if spec.memory_limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, (spec.memory_limit, spec.memory_limit))
    logs.configure(settings.log_format, settings.log_level, settings.log_blocked)
    current_loop.install()
    if spec.python is not None:
        code_path.add(os.environ)
    else:
        code_path.protect(os.environ)  # the runtime has logged clashes and set the path


def _end_output(call: Context | None) -> None:
    """Complete the unfinished log lines of a call, and reopen standard descriptors it closed."""
    try:
        logs.end_lines(call)
        if _standard.poll(0):
            logs.open_standard_descriptors()
    except Exception:  # noqa: S110 - such as a full disk: then no log can take the reason
        pass
