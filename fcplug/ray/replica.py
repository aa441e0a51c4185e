"""A replica: runs functions by the very same runtime; Ray starts, watches and stops it."""

import asyncio
import io
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from msgspec.structs import replace

from fcplug import logs, protocol
from fcplug.app import create_app
from fcplug.concurrency import current_loop
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec
from fcplug.instance import STOP_LIMIT
from fcplug.plugins import code_path
from fcplug.ray import plan
from fcplug.ray.messages import Answer, Call, Limits
from fcplug.runtime import startup
from fcplug.runtime.runtime import Runtime
from fcplug.web.response import close_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fcplug")

_Value = TypeVar("_Value")
_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 - a name; who has the value may join the cluster


class Source(NamedTuple):
    """What the functions of a replica are made from.

    ``folder`` is the code folder, where the machine has it; Ray may have brought another.
    """

    config: Config
    functions: tuple[FunctionSpec, ...]
    shadows: Mapping[str, FunctionSpec]
    folder: str
    threads: int

    def __repr__(self) -> str:
        return f"Source({', '.join(spec.name for spec in self.functions)})"  # no settings in a log


class _Served(NamedTuple):
    """A function of this replica: its own runtime, and the application over it."""

    runtime: Runtime
    app: "WSGIApplication"
    config: Config


class Replica:
    """Serves the functions of a source, each by a runtime that has this function alone."""

    def __init__(self, source: Source) -> None:
        enter_folder(source.folder)
        settings = source.config.runtime
        logs.configure(settings.log_format, settings.log_level, settings.log_blocked)
        current_loop.install()
        environ = {name: value for name, value in os.environ.items() if name != _TOKEN}
        code_path.add({**environ, protocol.CODE_PATH_VARIABLE: os.getcwd()})
        self._exhausted = False
        self._stopped = False
        self._threads = ThreadPoolExecutor(source.threads, thread_name_prefix="fcplug-call")
        self._served: dict[str, _Served] = {}
        for spec in source.functions:
            config = plan.alone(source.config, spec, source.shadows)
            self._served[spec.name] = self._serve(config, environ)

    def _serve(self, config: Config, environ: Mapping[str, str]) -> _Served:
        runtime = Runtime(config, environ, on_exhausted=self._exhaust)
        startup.load_and_report(runtime, list(config.functions))
        return _Served(runtime, create_app(runtime, environ, config.runtime), config)

    def reconfigure(self, limits: Mapping[str, Any]) -> None:
        """Take over the limits that an edit has changed; Ray calls it."""
        for name, values in limits.items():
            served = self._served.get(name)
            if served is None:
                continue
            spec = served.config.functions[name]
            if Limits.of(spec) != Limits(*values):
                changed = replace(spec, **Limits(*values)._asdict())
                functions = {**served.config.functions, name: changed}
                config = replace(served.config, functions=functions)
                served.runtime.take_over(config)
                self._served[name] = served._replace(config=config)

    async def answer(self, call: Call) -> Answer:
        """Answer a call as a whole."""
        return await self._on_thread(lambda: self._answer(call))

    async def stream(self, call: Call) -> AsyncIterator[Answer | bytes]:
        """Answer a call: the head with the first bytes, then the rest as it is made."""
        exchange = _Exchange(self._served[call.function].app, call)
        try:
            yield await self._on_thread(exchange.begin)
            while (chunk := await self._on_thread(exchange.next_chunk)) is not None:
                yield chunk
        finally:
            # also when the caller has gone: the function is entered until its answer is closed
            await asyncio.shield(self._on_thread(exchange.close))

    def check_health(self) -> None:
        """Raise if this process is worn out, so that Ray replaces it; Ray calls it."""
        if self._exhausted:
            raise RuntimeError("too many invocations run past their deadline: start a new process")

    def stop(self) -> None:
        """Run the pre_stop hooks, once."""
        if self._stopped:
            return
        self._stopped = True
        for served in self._served.values():
            served.runtime.stop(STOP_LIMIT)
        logs.finish()

    def __del__(self) -> None:
        """Stop; Ray calls it once the last call has ended."""
        with suppress(AttributeError):  # the start failed
            self.stop()

    def _answer(self, call: Call) -> Answer:
        exchange = _Exchange(self._served[call.function].app, call)
        try:
            head = exchange.begin()
            rest = b"".join(iter(exchange.next_chunk, None))
        finally:
            exchange.close()
        return head._replace(body=head.body + rest) if rest else head

    async def _on_thread(self, work: "Callable[[], _Value]") -> _Value:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _exhaust(self) -> None:
        self._exhausted = True


class _Exchange:
    """One call of the application; its steps come from several threads, one after the other."""

    def __init__(self, app: "WSGIApplication", call: Call) -> None:
        self._app = app
        self._call = call
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._body: Iterable[bytes] = ()
        self._chunks: Iterator[bytes] = iter(())

    def begin(self) -> Answer:
        """Call the application; return the head and, where there is one, the first chunk."""
        environ: dict[str, Any] = {
            **self._call.environ,
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(self._call.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self._body = self._app(environ, self._start_response)
        self._chunks = iter(self._body)
        if self._call.environ["REQUEST_METHOD"] == "HEAD":
            self._chunks = iter(())
        first = next(self._chunks, b"")
        if self._head is None:
            raise RuntimeError("the application did not call start_response")
        return Answer(*self._head, first)

    def next_chunk(self) -> bytes | None:
        """Return the next bytes of the body, None at its end."""
        return next(self._chunks, None)

    def close(self) -> None:
        """Close the body."""
        body, self._body = self._body, ()
        close_body(body)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], _error: object = None, /
    ) -> Any:
        self._head = (status, headers)
        return None


def enter_folder(folder: str) -> None:
    """Work in the code folder, where this machine has it; else where Ray has put the code."""
    if os.path.isdir(folder):
        os.chdir(folder)
