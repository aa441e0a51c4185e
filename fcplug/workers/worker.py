"""The runtime's side of one worker."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import fcplug
from fcplug.context import Context
from fcplug.errors import FunctionTimeoutError, WorkerDied, WorkerUnavailable
from fcplug.workers import wire
from fcplug.workers.assignment import Assignment
from fcplug.workers.error_report import ErrorReport
from fcplug.workers.interpreter import Interpreter
from fcplug.workers.messages import WEB, Hello, HookCall, Ready, ResponseHead
from fcplug.workers.process import WorkerProcess
from fcplug.workers.wire import Connection, Frame, FrameError, Kind

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

START_LIMIT = 300.0  # seconds from the start of a worker to its function's being loaded
_LAST_WORDS = 1.0  # seconds from a worker's silence to the news of how it ended
_NUMBERS = 1 << 32


class NotTaken(Exception):  # noqa: N818 - never leaves this package
    """The worker ended before it began with the call: another may have it."""

    def __init__(self, error: WorkerDied) -> None:
        super().__init__(str(error))
        self.error = error


class Worker:
    """A process that serves one function, one call at a time.

    Attributes:
        package: the handler's distribution and version.
        hooks: the hooks that the function's plugins have.
        initialized: whether its initialize hooks have run, and no stop since.
        answers: how many invocations it has answered.
        usable: False once it must not be given another call.
        fault: how it died while it served.
    """

    def __init__(self, assignment: Assignment, on_end: Callable[["Worker"], None]) -> None:
        self._assignment = assignment
        self._function = assignment.spec.name
        self._on_end = on_end
        self._python = Interpreter(assignment.settings.python, assignment.settings.folder)
        self._process: WorkerProcess | None = None
        self._number = 0
        self.package = ""
        self.hooks: Sequence[str] = ()
        self.initialized = False
        self.answers = 0
        self.usable = True
        self.fault: WorkerDied | None = None

    @property
    def pid(self) -> int:
        """The id of its process, 0 before it has one."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Tell whether the process runs, as of now."""
        return self._process is not None and self._process.alive

    def start(self) -> None:
        """Start the process, and have it load the function.

        Raises:
            PluginError: a plugin cannot be made to serve.
            WorkerUnavailable: the interpreter cannot be run, or lacks this version of fcplug.
            WorkerDied: the process ended, as another might not.
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
        self._connection = Connection(self._process.socket)
        deadline = time.monotonic() + START_LIMIT
        try:
            self._greet(deadline)
            self._assign(deadline)
        except TimeoutError:
            self.close()
            why = f"its plugins were not imported within {START_LIMIT:.0f} seconds"
            raise self._unavailable(why, "do in initialize what takes long") from None
        except BaseException:
            self.close()
            raise

    def call(
        self, hook: str, context: Context, event: bytes = b"", deadline: float | None = None
    ) -> bytes:
        """Run a hook, and return its encoded result.

        Raises:
            RemoteError: the hook raised.
            NotTaken: the worker ended before it began.
            WorkerDied: the worker ended, or said what it must not, and is killed.
            FunctionTimeoutError: the deadline passed; the worker is killed.
        """
        answer = self._call(HookCall.of(hook, context), event, Kind.RESULT, deadline)
        if hook == "invoke":
            self.answers += 1
        if answer.kind is Kind.ERROR:
            raise ErrorReport.from_header(answer.header).to_error()
        return answer.body

    def web(
        self,
        environ: "WSGIEnvironment",
        body: bytes,
        context: Context,
        deadline: float | None,
    ) -> ResponseHead:
        """Have the application called; ``next_chunk`` and ``stop_body`` are for its body.

        Raises what ``call`` does.
        """
        answer = self._call(HookCall.of(WEB, context, environ), body, Kind.HEAD, deadline)
        self._check_end(answer)
        with self._watched(context):
            return ResponseHead.from_header(answer.header)

    def next_chunk(self, context: Context, deadline: float | None) -> bytes | None:
        """Return the next bytes of the body, None at its end; raises what ``call`` does."""
        with self._watched(context):
            self._connection.send(Frame(Kind.NEXT, self._number), deadline)
            answer = self._receive((Kind.CHUNK, Kind.RESULT, Kind.ERROR), deadline)
        self._check_end(answer)
        return answer.body if answer.kind is Kind.CHUNK else None

    def stop_body(self, context: Context, deadline: float) -> None:
        """Have the body closed before its end; raises what ``call`` does."""
        with self._watched(context):
            self._connection.send(Frame(Kind.STOP, self._number), deadline)
            answer = self._receive((Kind.RESULT, Kind.ERROR), deadline)
        self._check_end(answer)

    def kill(self) -> None:
        """Kill the process and what it started; it will be given no other call."""
        self.usable = False
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """Kill the process and give back what it took here: for who holds the worker, at last."""
        self.kill()
        if self._process:
            self._process.close()

    def hang_up(self) -> None:
        """Let the process end by itself; it will be given no other call."""
        self.usable = False
        if self._process:
            self._process.hang_up()

    def end(self, seconds: float) -> None:
        """Hang up, and kill the process unless it ends within so many seconds."""
        self.hang_up()
        if self._process:
            self._process.wait(seconds)
            self._process.kill()
            self._process.wait(_LAST_WORDS)

    def _call(self, call: HookCall, body: bytes, kind: Kind, deadline: float | None) -> Frame:
        """Return the first answer to a call."""
        wire.check(len(body))
        self._number = (self._number + 1) % _NUMBERS
        context = call.context()
        with self._watched(context):
            frame = Frame(Kind.CALL, self._number, call.to_header(), body)
            self._hand_over(frame, deadline)
            return self._receive((kind, Kind.ERROR), deadline)

    def _check_end(self, answer: Frame) -> None:
        """Count a web answer that is complete, and raise what it failed with."""
        if answer.kind in (Kind.RESULT, Kind.ERROR):
            self.answers += 1
        if answer.kind is Kind.ERROR:
            raise ErrorReport.from_header(answer.header).to_error()

    @contextmanager
    def _watched(self, context: Context) -> Iterator[None]:
        """Tell what became of a worker that gives no answer; it is at its end."""
        try:
            yield
        except TimeoutError:
            self.kill()
            then = f"its worker {self.pid} was killed"
            raise FunctionTimeoutError(self._function, context.age, then) from None
        except (EOFError, OSError):
            self.fault = self._died()
            raise self.fault from None
        except FrameError as error:
            self.kill()
            self.fault = self._death(f"sent what is no answer, and was killed: {error}")
            raise self.fault from None
        except BaseException:
            self.kill()
            raise

    def _hand_over(self, call: Frame, deadline: float | None) -> None:
        try:
            self._connection.send(call, deadline)
            self._receive((Kind.TAKEN,), deadline)
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise NotTaken(self._died()) from None

    def _receive(self, kinds: Sequence[Kind], deadline: float | None) -> Frame:
        frame = self._connection.receive(deadline)
        if frame.kind not in kinds or frame.number != self._number:
            raise FrameError(f"{frame.kind.name} {frame.number} at the wrong time")
        return frame

    def _greet(self, deadline: float) -> None:
        """See that the other side is a worker, of this version."""
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
                why = f"{self._python.path} cannot run one: {hello.problem}"
        raise self._unavailable(why, self._python.install())

    def _assign(self, deadline: float) -> None:
        """Give the worker its function, and hear how loading it went."""
        try:
            header = self._assignment.to_header()
            self._connection.send(Frame(Kind.ASSIGNMENT, header=header), deadline)
            answer = self._receive((Kind.READY, Kind.ERROR), deadline)
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise self._died(" while it imported the function's code") from None
        if answer.kind is Kind.ERROR:
            raise ErrorReport.from_header(answer.header).to_error()
        ready = Ready.from_header(answer.header)
        self.package, self.hooks = ready.package, ready.hooks

    def _died(self, when: str = "") -> WorkerDied:
        assert self._process  # noqa: S101 - it has been started
        ended = self._process.wait(_LAST_WORDS)
        self.kill()
        return self._death(
            (self._process.exit_reason if ended else "hung up, and was killed") + when
        )

    def _death(self, how: str) -> WorkerDied:
        return WorkerDied(self._function, self.pid, how)

    def _unavailable(self, why: str, fix: str) -> WorkerUnavailable:
        return WorkerUnavailable(self._function, why, fix)
