"""Start one worker, send calls to it, and find out how it ended."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import fcplug
from fcplug.context import Context
from fcplug.errors import FunctionTimeoutError, WorkerDied, WorkerUnavailable
from fcplug.workers.assignment import Assignment
from fcplug.workers.error_report import ErrorReport
from fcplug.workers.interpreter import Interpreter
from fcplug.workers.messages import WEB, CallWriter, Hello, HookCall, Ready, ResponseHead, encoded
from fcplug.workers.process import WorkerProcess
from fcplug.workers.wire import MAX_PART, Frame, FrameConnection, FrameError, Kind, too_large

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

START_LIMIT = 300.0  # seconds for a worker to start and load its function
_LAST_WORDS = 1.0  # seconds to wait for the exit status after the connection was closed
_NUMBERS = 1 << 32  # call numbers start again at 0 after this many calls
_ENDS = (Kind.RESULT, Kind.ERROR)


class NotTaken(Exception):  # noqa: N818 - never leaves this package
    """The worker ended before it started the call; another may run it."""

    def __init__(self, error: WorkerDied) -> None:
        super().__init__(str(error))
        self.error = error


class Worker:
    """A process that serves one function, one call at a time.

    Attributes:
        package: the handler's distribution and version.
        hooks: the hooks of the function's plugins.
        initialized: whether the initialize hooks have run, and no pre_stop hook since.
        answers: the number of answered invocations and web requests.
        usable: False once it must not receive another call.
        fault: how it died during a call.
    """

    def __init__(self, assignment: Assignment, on_end: Callable[["Worker"], None]) -> None:
        self._assignment = assignment
        self._function = assignment.spec.name
        self._on_end = on_end
        self._python = Interpreter(assignment.spec.python, assignment.settings.folder)
        self._process: WorkerProcess | None = None
        self._number = 0
        self._calls = CallWriter()
        self.package = ""
        self.hooks: Sequence[str] = ()
        self.initialized = False
        self.answers = 0
        self.usable = True
        self.fault: WorkerDied | None = None

    @property
    def pid(self) -> int:
        """The id of its process, 0 before it has started."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process and let it load the function.

        Raises:
            PluginError: a plugin cannot be loaded.
            WorkerUnavailable: the interpreter cannot be run, or lacks this version of fcplug.
            WorkerDied: the process ended; another one may not.
        """
        python = self._python.path
        try:
            self._process = WorkerProcess(
                lambda fd: self._python.command(fd, self._function),
                lambda: self._on_end(self),
                folder=self._assignment.settings.folder,
            )
        except (OSError, ValueError) as error:
            why = f"{python} cannot be run: {getattr(error, 'strerror', None) or error}"
            raise self._unavailable(why, "correct its 'python' in functions.yaml") from None
        self._connection = FrameConnection(self._process.socket)
        deadline = time.monotonic() + START_LIMIT
        try:
            self._greet(deadline)
            self._assign(deadline)
        except TimeoutError:
            self.close()
            why = f"its plugins were not imported within {START_LIMIT:.0f} seconds"
            raise self._unavailable(why, "move slow work to initialize") from None
        except BaseException:
            self.close()
            raise

    def call(
        self, hook: str, context: Context, event: bytes = b"", deadline: float | None = None
    ) -> bytes:
        """Run a hook, and return its encoded result.

        Raises:
            RemoteError: the hook raised.
            NotTaken: the worker ended before it started the call.
            WorkerDied: the worker ended, or sent an invalid frame and was killed.
            FunctionTimeoutError: the deadline passed; the worker is killed.
        """
        call = HookCall.of(hook, context)
        answer = self._call(call, event, _ENDS, context, deadline)
        if hook == "invoke":
            self.answers += 1
        if answer.kind == Kind.ERROR:
            raise self._reported(answer, context)
        return answer.body

    def web(
        self, environ: "WSGIEnvironment", body: bytes, context: Context, deadline: float | None
    ) -> tuple[ResponseHead, bytes | None]:
        """Call the application; return its head and its whole body.

        If the body is None, read it with ``next_chunk``. Raises the same errors as ``call``.
        """
        call, kinds = HookCall.of(WEB, context, environ), (Kind.HEAD, *_ENDS)
        answer = self._call(call, body, kinds, context, deadline)
        self._check_end(answer, context)
        try:
            head = ResponseHead.from_header(answer.header)
        except FrameError as error:
            raise self._failure(error, answer.kind, context) from None
        return head, answer.body if answer.kind == Kind.RESULT else None

    def next_chunk(self, context: Context, deadline: float | None) -> bytes | None:
        """Return the next chunk of the body, None at its end.

        Raises the errors of ``call``.
        """
        kinds = (Kind.CHUNK, *_ENDS)
        answer = self._ask(Frame(Kind.NEXT, self._number), kinds, context, deadline)
        self._check_end(answer, context)
        return answer.body if answer.kind == Kind.CHUNK else None

    def stop_body(self, context: Context, deadline: float) -> None:
        """Close the body before its end; raise the errors of ``call``."""
        answer = self._ask(Frame(Kind.STOP, self._number), _ENDS, context, deadline)
        self._check_end(answer, context)

    def kill(self) -> None:
        """Kill the process and its process group; it receives no more calls."""
        self.usable = False
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """Kill the process and close the connection.

        Only the caller who uses the worker may do this.
        """
        self.kill()
        if self._process:
            self._process.close()

    def hang_up(self) -> None:
        """Let the process exit by itself; it receives no more calls."""
        self.usable = False
        if self._process:
            self._process.hang_up()

    def end(self, seconds: float) -> None:
        """Hang up, and kill the process if it does not exit within ``seconds``."""
        self.hang_up()
        if self._process:
            self._process.wait(seconds)
            self._process.kill()
            self._process.wait(_LAST_WORDS)

    def _call(
        self,
        call: HookCall,
        body: bytes,
        kinds: Sequence[int],
        context: Context,
        deadline: float | None,
    ) -> Frame:
        """Send a call, and return the first answer to it."""
        if len(body) > MAX_PART:
            raise too_large(len(body))
        self._number = (self._number + 1) % _NUMBERS
        values = context.to_values()
        self._connection.begin(awake_only=bool(values[-1]))  # SHADOW_OF
        header = self._calls.write(call, values, context.variables())
        return self._ask(Frame(Kind.CALL, self._number, header, body), kinds, context, deadline)

    def _ask(
        self, frame: Frame, kinds: Sequence[int], context: Context, deadline: float | None
    ) -> Frame:
        """Send a frame, and return the answer, which must be of one of the kinds.

        Raises the reason if there is none, and kills the worker.
        """
        try:
            self._connection.send(frame, deadline)
            return self._receive(kinds, deadline)
        except BaseException as error:
            raise self._failure(error, frame.kind, context) from None

    def _check_end(self, answer: Frame, context: Context) -> None:
        """Count a complete web answer, and raise its error if it failed."""
        if answer.kind in _ENDS:
            self.answers += 1
        if answer.kind == Kind.ERROR:
            raise self._reported(answer, context)

    def _reported(self, answer: Frame, context: Context) -> BaseException:
        """Return the error that a worker reports; kill the worker if the report is invalid."""
        try:
            return ErrorReport.from_header(answer.header).to_error()
        except FrameError as error:
            return self._failure(error, answer.kind, context)

    def _failure(self, error: BaseException, asked: int, context: Context) -> BaseException:
        """Return the reason why the worker gives no answer; the worker is killed."""
        if isinstance(error, ConnectionError) and asked == Kind.CALL:
            return NotTaken(self._died())  # it has not read the whole call
        if isinstance(error, TimeoutError):
            self.kill()
            then = f"its worker {self.pid} was killed"
            return FunctionTimeoutError(self._function, context.age, then)
        if isinstance(error, EOFError | OSError):
            self.fault = self._died()
            return self.fault
        self.kill()
        if isinstance(error, FrameError):
            self.fault = self._death(f"sent an invalid answer, and was killed: {error}")
            return self.fault
        return error

    def _receive(self, kinds: Sequence[int], deadline: float | None) -> Frame:
        frame = self._connection.receive(deadline)
        if frame.kind not in kinds or frame.number != self._number:
            raise FrameError(f"{frame.name} {frame.number} at the wrong time")
        return frame

    def _greet(self, deadline: float) -> None:
        """Check that the process became a worker of this version."""
        try:
            hello = Hello.from_header(self._connection.receive(deadline).header)
        except TimeoutError:
            raise
        except (EOFError, OSError, FrameError):
            died = self._died()
            if self._process and self._process.killed:
                raise died from None
            reason = self._process.exit_reason if self._process else "ended"
            why = (
                f"{self._python.path} {reason} before it became a worker; "
                "the log above shows what it printed"
            )
        else:
            if hello.version == fcplug.__version__:
                return
            why = f"{self._python.path} has fcplug {hello.version}, this is {fcplug.__version__}"
            if hello.problem:
                why = f"{self._python.path} cannot run a worker: {hello.problem}"
        raise self._unavailable(why, self._python.install())

    def _assign(self, deadline: float) -> None:
        """Send the worker its function, and wait until it is loaded."""
        try:
            header = encoded(self._assignment.to_header())
            self._connection.send(Frame(Kind.ASSIGNMENT, header=header), deadline)
            answer = self._receive((Kind.READY, Kind.ERROR), deadline)
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise self._died(" while it imported the function's code") from None
        if answer.kind == Kind.ERROR:
            raise ErrorReport.from_header(answer.header).to_error()
        ready = Ready.from_header(answer.header)
        self.package, self.hooks = ready.package, ready.hooks

    def _died(self, when: str = "") -> WorkerDied:
        """Return how the process ended, after its connection was closed."""
        reason = "closed its connection, and was killed"
        if self._process and self._process.wait(_LAST_WORDS):
            reason = self._process.exit_reason
        self.kill()
        return self._death(reason + when)

    def _death(self, how: str) -> WorkerDied:
        return WorkerDied(self._function, self.pid, how)

    def _unavailable(self, why: str, fix: str) -> WorkerUnavailable:
        return WorkerUnavailable(self._function, why, fix)
