"""One running process of the runtime, composed from the socket to the exit."""

import contextlib
import functools
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from socket import socket
from typing import TYPE_CHECKING, NoReturn

import fcplug
from fcplug import logs, protocol
from fcplug.concurrency import current_loop
from fcplug.config.file import ConfigFile
from fcplug.config.loader import Config
from fcplug.errors import BindError
from fcplug.plugins import code_path
from fcplug.process import accept_filter, held_signals
from fcplug.process.lazy_imports import import_falcon, import_httptools, import_waitress
from fcplug.runtime import startup

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fcplug.process.handover import Handover
    from fcplug.runtime.broadcast import LifecycleHooks
    from fcplug.runtime.observation import Observers
    from fcplug.runtime.runtime import Runtime

log = logging.getLogger("fcplug")

STOP_LIMIT = 5.0  # seconds for the pre_stop hooks of all functions, after the last answer
_MOST_THREADS = 512  # FC gives an instance 1,024 threads and processes


class Instance:
    """An instance over a configuration that was read, and a socket that is to be bound."""

    def __init__(self, file: ConfigFile, config: Config, environ: Mapping[str, str]) -> None:
        self._file = file
        self._config = config
        self._environ = environ
        self._observers: Observers | None = None

    def run(self, host: str, port: int | None, handover: "Handover | None" = None) -> NoReturn:
        """Serve until SIGTERM or SIGINT, then end the process: 0, or 1 if work was abandoned.

        With a ``handover`` it serves the socket that this process has inherited, when the other
        process hands over.

        Raises:
            BindError: the port is in use or not allowed.
        """
        config, settings = self._config, self._config.runtime
        held_signals.hold()  # signals from here on take effect once the process serves
        logs.configure(settings.log_format, settings.log_level, settings.log_blocked)
        self._file.log_unused()
        # FC waits for the port: it is open before Falcon and the plugins are imported
        import_waitress()
        import_httptools()
        from fcplug import server  # noqa: PLC0415

        supervised = settings.supervised and not handover
        sock = handover.listener if handover else server.bind(host, port_of(self._environ, port))
        port = sock.getsockname()[1]
        count = f"{len(config.functions)} function{'' if len(config.functions) == 1 else 's'}"
        logs.write_status(f"{protocol.INITED_LINE}\n")
        self._warn_if_open(host)  # before the list of functions, not in the middle of it
        startup.announce(
            f"fcplug {fcplug.__version__} on port {port} serves {count} of {config.file}",
            settings.log_format,
        )
        import_falcon()
        current_loop.install()
        code_path.add(self._environ)
        for name in protocol.hidden_variables(os.environ):
            del os.environ[name]  # from the author's code and what it starts, as FC's own does
        code = self._supervised(sock) if supervised else self._alone(sock, handover)
        if self._observers is not None:
            self._observers.close()
        # sys.exit would wait for every thread that a plugin left behind
        os._exit(_finish(code))

    def _warn_if_open(self, host: str) -> None:
        """Warn if anyone may call: on FC the platform rejects strangers, elsewhere nothing does."""
        on_fc = self._environ.get(protocol.INSTANCE_VARIABLE)
        if on_fc or self._config.runtime.auth or host in ("127.0.0.1", "::1", "localhost"):
            return
        log.warning(
            "outside Function Compute, and open to everybody who reaches this port: "
            "set runtime.auth, or listen on this machine alone with --host 127.0.0.1"
        )

    def _alone(self, sock: socket, handover: "Handover | None") -> int:
        from fcplug.runtime.runtime import Runtime  # noqa: PLC0415

        runtime = Runtime(
            self._config,
            self._environ,
            file=self._watched,
            on_exhausted=request_stop,
            code_is_watched=handover is not None,
        )
        self._observers = runtime.observers
        _listen_for_reload(runtime)
        app = self._app(runtime)
        if handover is None:
            self._load_beside(runtime, sock)
            on_drain = functools.partial(accept_filter.block_new_connections, sock)
            return self._serve(app, runtime, sock, on_drain)
        _load_functions(runtime, sock.getsockname()[1])
        loaded = runtime.loaded
        handover.wait_to_serve(loaded, [name for name in runtime.wanted() if name not in loaded])
        return self._serve(app, runtime, sock, _do_nothing)  # another process goes on accepting

    def _supervised(self, sock: socket) -> int:
        from fcplug.process.siblings import Siblings  # noqa: PLC0415
        from fcplug.process.supervise import supervise  # noqa: PLC0415
        from fcplug.runtime.broadcast import HookBroadcast  # noqa: PLC0415
        from fcplug.runtime.runtime import Runtime  # noqa: PLC0415

        settings = self._config.runtime
        runtime = Runtime(
            self._config, self._environ, file=self._watched, on_exhausted=request_stop
        )
        self._observers = runtime.observers

        preloaded = threading.Event()

        def preload() -> None:
            _load_functions(runtime, sock.getsockname()[1])
            preloaded.set()

        def serve(siblings: Siblings) -> int:
            hooks = HookBroadcast(runtime, siblings, self._environ)
            _listen_for_reload(runtime)
            app = self._app(runtime, hooks)
            if not preloaded.is_set():
                self._load_beside(runtime, sock)
            return _finish(self._serve(app, runtime, sock, _do_nothing))

        gc.enable()  # the supervisor runs as long as the processes that it starts
        return supervise(
            serve,
            sock,
            processes=settings.processes,
            stop_timeout=settings.drain_timeout + STOP_LIMIT,
            memory_watermark=settings.memory_watermark,
            preload=preload if settings.preload else None,
        )

    @property
    def _watched(self) -> ConfigFile | None:
        return self._file if self._config.runtime.reload == "on-request" else None

    def _app(self, runtime: "Runtime", hooks: "LifecycleHooks | None" = None) -> "WSGIApplication":
        from fcplug.app import create_app  # noqa: PLC0415

        return create_app(runtime, self._environ, self._config.runtime, hooks)

    def _serve(
        self, app: "WSGIApplication", runtime: "Runtime", sock: socket, on_drain: Callable[[], None]
    ) -> int:
        from fcplug import server  # noqa: PLC0415

        settings = self._config.runtime
        health_path = settings.health_path
        ending = _Ending(runtime, settings.drain_timeout, on_drain)
        gc.freeze()  # these objects stay: no collection has to visit them
        gc.enable()
        with _watchdog(settings.watchdog) as beat:
            code = server.serve(
                app,
                sock,
                server.Limits(
                    threads=_threads(self._config),
                    drain_timeout=settings.drain_timeout,
                    min_send_rate=settings.min_send_rate,
                ),
                express=functools.partial(protocol.is_health_check, health_path=health_path),
                on_turn=beat,
                answer_on_loop=settings.answer_on_loop,
                on_drain=ending.begin_drain,
                on_stop=ending.stop,
            )
        return code if ending.in_time else 1

    def _load_beside(self, runtime: "Runtime", sock: socket) -> None:
        threading.Thread(
            target=_load_functions,
            args=(runtime, sock.getsockname()[1]),
            name="fcplug-loader",
            daemon=True,
        ).start()


class _Ending:
    """The end of a process: it answers what it accepted, then the functions stop.

    Attributes:
        in_time: whether all functions stopped within their limit.
    """

    def __init__(
        self, runtime: "Runtime", drain_timeout: float, on_drain: Callable[[], None]
    ) -> None:
        self.in_time = True
        self._runtime = runtime
        self._drain_timeout = drain_timeout
        self._on_drain = on_drain

    def begin_drain(self) -> None:
        logs.stop_waiting()  # a log that nobody reads must not delay the stop
        self._on_drain()
        log.info(
            "stopping: finishing accepted requests, for at most %g s; "
            "a second signal ends it at once",
            self._drain_timeout,
        )

    def stop(self) -> None:
        self.in_time = self._runtime.stop(STOP_LIMIT)


def _do_nothing() -> None:
    return


def port_of(environ: Mapping[str, str], port: int | None) -> int:
    """Return the port to listen on: the one that is given, else the environment's.

    Raises:
        BindError: the environment's is not a port.
    """
    try:
        return protocol.port(environ) if port is None else port
    except ValueError as error:
        raise BindError(str(error)) from None


def _threads(config: Config) -> int:
    """Return how many requests are answered at once.

    A function with a limit of its own has threads for all its invocations, running and waiting: so
    those that wait take no thread from other functions.
    """
    own = sum(f.concurrency + f.queue for f in config.functions.values() if f.concurrency)
    return max(config.runtime.threads, min(config.runtime.threads + own, _MOST_THREADS))


def _listen_for_reload(runtime: "Runtime") -> None:
    before = signal.signal(signal.SIGHUP, lambda *_: runtime.reload())
    if isinstance(before, held_signals.HeldSignals) and before.hangup:
        runtime.reload()


def _finish(code: int) -> int:
    """Write the last lines of this process; return its exit code: 1 if some were dropped."""
    return 1 if logs.finish() and not code else code


def request_stop() -> None:
    """Let this process drain and end; its supervisor, or FC, starts another."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _watchdog(seconds: float | None) -> Iterator[Callable[[bool], None]]:
    """Yield what the server's loop calls at each turn; without calls the process is ended."""
    if seconds is None:
        yield lambda _busy: None
        return
    from fcplug.process.watchdog import Watchdog  # noqa: PLC0415

    try:
        watchdog = Watchdog(seconds, logs.descriptor())
    except OSError as error:
        log.warning("a hang that holds the GIL will not be ended: %s", error)
        yield lambda _busy: None
        return
    try:
        yield watchdog.beat
    finally:
        watchdog.stop()


def _load_functions(runtime: "Runtime", port: int) -> None:
    """Load the functions while the server already listens, and show how to call one."""
    healthy = startup.load_and_report(runtime, runtime.wanted())
    header = f"{protocol.FUNCTION_NAME}: {healthy}"
    spec = runtime.config.functions.get(healthy)
    asked = f"http://127.0.0.1:{port}/"
    what = (
        f"-d Ada -H '{header}' {asked}invoke" if spec and spec.handler else f"-H '{header}' {asked}"
    )
    text = f"try: curl {what}" if healthy else "no function could be loaded"
    startup.announce(text, runtime.config.runtime.log_format)
