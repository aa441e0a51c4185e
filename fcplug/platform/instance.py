"""One instance of a function: a process that is started, initialized, called, frozen and ended."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from fcplug.platform import environment, failures, headers, messages
from fcplug.platform.connection import Abandoned, BrokenReply, InvalidMessage, Pool, Reply
from fcplug.platform.guard import Guard
from fcplug.platform.model import (
    Call,
    Client,
    FunctionConfig,
    InstanceInfo,
    InstanceState,
    LogLine,
    Outcome,
)
from fcplug.platform.output import Output
from fcplug.platform.ports import free_port
from fcplug.platform.process import InstanceProcess
from fcplug.platform.readiness import Readiness
from fcplug.protocol import Phase

_EXIT_DELAY = 0.5  # seconds after a broken connection in which an ending process may end
_STEPS = 100  # that are kept

Tell = Callable[["Instance | LogLine"], None]


class Gone(Exception):  # noqa: N818 - it is the instance that is gone
    """The process ended before the call reached it: another instance must serve the call."""


class Instance:
    """A process and its life. ``running`` and ``used`` belong to the fleet, under its lock.

    Attributes:
        running: calls that it serves, or that wait for its start.
        used: when it served its last call, on the monotonic clock.
        retired: it gets no more calls.
    """

    def __init__(self, function: FunctionConfig, tell: Tell, guard: Guard) -> None:
        self.id = headers.new_instance_id()
        self.function = function
        self.port = free_port()
        self.running = 0
        self.used = time.monotonic()
        self.retired = False
        self._tell = tell
        self._calls = 0
        self._error = ""
        self._state = InstanceState.STARTING
        self._steps: deque[tuple[float, str]] = deque(maxlen=_STEPS)
        self._output = Output(self._wrote)
        self._pool = Pool(self.port)
        self._process = InstanceProcess(self._output, guard, self._ended)
        self._readiness = Readiness(function, self.port, self._process, self._output, self._step)
        self._ready = threading.Event()
        self._failure: Outcome | None = None
        self._rest = threading.Lock()
        self._stop = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether it is started and initialized."""
        return self._ready.is_set() and self._failure is None

    @property
    def exited(self) -> bool:
        """Whether its process has ended."""
        return self._process.exited.is_set()

    @property
    def info(self) -> InstanceInfo:
        """What can be shown of it."""
        state = self._state
        if state is InstanceState.READY and self.running:
            state = InstanceState.BUSY
        return InstanceInfo(
            id=self.id,
            function=self.function.name,
            pid=self._process.pid,
            port=self.port,
            state=state,
            calls=self._calls,
            running=self.running,
            memory_mb=round(self._process.peak_memory(), 2),
            steps=tuple(self._steps),
            error=self._error,
        )

    def serve(self, call: Call, client: Client | None, *, cold: bool) -> Outcome:
        """Run a call to its end. The one that is ``cold`` starts the instance first.

        Raises:
            Gone: the process ended before the call reached it, and it is not a new one.
        """
        capture = self._output.begin(call.request_id)
        started = time.time()
        try:
            outcome = (self._start(call) if cold else self._wait()) or self._run(call, client)
        except Gone:
            if not cold:
                raise
            outcome = failures.exited(self.function, self._process.code, self._output.last)
        finally:
            log = self._output.end(capture)
        return msgspec.structs.replace(
            outcome,
            log=log,
            memory_mb=round(self._process.peak_memory(), 2),
            instance_id=self.id,
            cold=cold,
            started=started,
        )

    def _wait(self) -> Outcome | None:
        self._ready.wait()
        if self._failure is None and self.exited:
            raise Gone
        return self._failure

    def _start(self, call: Call) -> Outcome | None:
        """Start and initialize the process; return what its calls get if that fails."""
        try:
            self._spawn()
            self._readiness.await_port()
            if self.function.initializer:
                self._initialize(call)
            self._readiness.await_health()
            self._enter(InstanceState.READY, "ready")
            self._readiness.watch(lambda: self._state is InstanceState.FROZEN, self._give_up)
        except failures.StartFailed as failed:
            self._failure = failed.outcome
            self._fail(str(failed))
        finally:
            self._ready.set()
        return self._failure

    def _spawn(self) -> None:
        with self._stop:
            if self.retired:
                raise failures.StartFailed(failures.closed())
            self._step("starts " + " ".join(self.function.command))
            variables = environment.variables(self.function, self.id, self.port)
            try:
                self._process.start(self.function, variables)
            except OSError as error:
                outcome = failures.not_startable(self.function, error)
                raise failures.StartFailed(outcome) from error

    def _initialize(self, call: Call) -> None:
        self._enter(InstanceState.INITIALIZING, "initializes")
        seconds = self.function.initialization_timeout
        try:
            reply = self._hook(Phase.INITIALIZE, call.request_id, seconds)
        except TimeoutError:
            body, why = b"", f"Function initialization time out after {seconds:g} seconds"
        except (BrokenReply, ConnectionRefusedError) as error:
            ended = self._process.exited.wait(_EXIT_DELAY)
            body, why = b"", "the process ended in the initializer" if ended else str(error)
        else:
            if 200 <= reply.status < 300:
                return
            body, why = reply.body, f"the initializer answered with status {reply.status}"
        raise failures.StartFailed(failures.not_initialized(body, why))

    def _run(self, call: Call, client: Client | None) -> Outcome:
        self._thaw()
        self._calls += 1
        begin = time.monotonic()
        web = bool(call.method)
        phase = Phase.WEB if web else Phase.INVOKE
        message = messages.message(self.function, call, phase, self.port)
        receiver = messages.Passing(client, web=web) if client else None
        try:
            reply = self._pool.request(message, begin + self.function.timeout, receiver)
            outcome = messages.outcome(reply, web=web)
        except InvalidMessage as error:
            outcome = failures.invalid_request(str(error))
        except TimeoutError:
            self.retired = True
            self._step(f"timed out after {self.function.timeout:g} s: {call.request_id}")
            outcome = failures.timed_out(self.function, self._measured(begin), web=web)
        except Abandoned:
            alone = self.function.instance_concurrency == 1
            self.retired = self.retired or (alone and self.function.health_check is None)
            self._step(f"canceled by the client: {call.request_id}")
            outcome = failures.canceled(self._measured(begin))
        except ConnectionRefusedError as error:
            if self._process.exited.wait(_EXIT_DELAY):
                raise Gone from error
            outcome = failures.bad_response("it does not listen any more")
        except BrokenReply as error:
            if self._process.exited.wait(_EXIT_DELAY):
                outcome = failures.crashed(self._measured(begin), web=web)
            else:
                outcome = failures.bad_response(str(error))
        spent = (time.monotonic() - begin) * 1000
        return msgspec.structs.replace(outcome, duration_ms=round(spent, 2))

    def _measured(self, begin: float) -> str:
        spent = (time.monotonic() - begin) * 1000
        return f"duration: {spent:.0f}ms, maxMemoryUsage: {self._process.peak_memory():.2f}MB"

    def _hook(self, phase: Phase, request_id: str, seconds: float) -> Reply:
        call = Call(function=self.function.name, request_id=request_id)
        message = messages.message(self.function, call, phase, self.port)
        return self._pool.request(message, time.monotonic() + seconds)

    def rest(self, request_id: str) -> None:
        """Run pre-freeze after the last call and freeze the processes, unless a call came."""
        with self._rest:
            if self.running or self.retired or self.exited:
                return
            if self.function.pre_freeze:
                self._try_hook(Phase.PRE_FREEZE, request_id, self.function.timeout)
            if self.function.freeze and not self.running:
                self._process.freeze()
                self._enter(InstanceState.FROZEN, "frozen")

    def _thaw(self) -> None:
        with self._rest:
            if self._state is InstanceState.FROZEN:
                self._process.thaw()
                self._enter(InstanceState.READY, "thawed")

    def _try_hook(self, phase: Phase, request_id: str, seconds: float) -> None:
        name = phase.path.removeprefix("/")
        try:
            reply = self._hook(phase, request_id, seconds)
            self._step(f"{name}: status {reply.status}")
        except TimeoutError:
            self._step(f"{name}: no answer in {seconds:g} s")
        except (BrokenReply, ConnectionRefusedError) as error:
            self._step(f"{name}: {error}")

    def stop(self) -> None:
        """Run pre-stop, then end the process."""
        with self._stop:
            self.retired = True
            if not self.exited:
                self._thaw()
                if self.function.pre_stop and self.ready:
                    request_id = headers.new_request_id("2.0")  # a UUID also on FC 3.0
                    self._try_hook(Phase.PRE_STOP, request_id, self.function.pre_stop_timeout)
                self._enter(InstanceState.STOPPING, "stops")
            self._readiness.close()
            self._process.stop()
            self._pool.close()

    def _give_up(self) -> None:
        self.retired = True
        self._step("unhealthy: it gets no more calls")

    def _ended(self, code: int) -> None:
        self._enter(InstanceState.ENDED, f"ended with exit code {code}")

    def _wrote(self, text: str, request_ids: Sequence[str]) -> None:
        line = LogLine(
            function=self.function.name,
            instance_id=self.id,
            request_ids=request_ids,
            text=text,
            at=time.time(),
        )
        self._tell(line)

    def _enter(self, state: InstanceState, step: str) -> None:
        self._state = state
        self._step(step)

    def _fail(self, why: str) -> None:
        self.retired = True
        self._error = why
        if self.exited:
            self._state = InstanceState.ENDED
        self._step("failed")

    def _step(self, text: str) -> None:
        self._steps.append((time.time(), text))
        self._tell(self)
