"""One configuration, served by the runtime in this process."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.context import Context
from fcplug.errors import UnknownFunction
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.runtime.routing import Router
from fcplug.runtime.runtime import Runtime
from fcplug.testing import call_thread
from fcplug.testing.answers import Answer, WebAnswer
from fcplug.testing.stage import Stage
from fcplug.testing.web_requests import environ_of, send

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class Refused(Exception):  # noqa: N818 - it is in an answer, nobody catches it
    """An application that answers all phases has answered one of them with a failure."""


class Served:
    """A configuration's functions, called as Function Compute calls them."""

    def __init__(self, config: Config, environ: Mapping[str, str], stage: Stage) -> None:
        self.first_function = next(iter(config.functions), "")
        self._environ = environ
        self._stage = stage
        self._runtime = Runtime(config, environ, code_is_watched=True)
        self._app: WSGIApplication | None = None

    def invoke(self, event: bytes, context: Context) -> Answer:
        """Send an event."""

        def work() -> Result:
            return self._runtime.invoke(event, context)

        return self._answer(context, Phase.INVOKE, work, event)

    def initialize(self, context: Context) -> Answer:
        """Run the initialize hooks."""
        return self._answer(context, Phase.INITIALIZE, lambda: self._runtime.initialize(context))

    def pre_freeze(self, context: Context) -> Answer:
        """Run the pre_freeze hooks."""
        return self._answer(context, Phase.PRE_FREEZE, lambda: self._runtime.pre_freeze(context))

    def pre_stop(self, context: Context) -> Answer:
        """Run the pre_stop hooks."""
        return self._answer(context, Phase.PRE_STOP, lambda: self._runtime.pre_stop(context))

    def answering(
        self, context: Context, event: bytes, environ: "WSGIEnvironment | None"
    ) -> tuple[str, str]:
        """Return the function that answers an event, or a web request, and its plugin."""
        with self._stage.call(context.request_id):
            content = event if environ is None else self._runtime.event_of(environ)
            config = self._runtime.config
            try:
                name = Router(config).resolve(context, content, environ)
            except UnknownFunction:
                return "", ""
            spec = config.functions[name]
            packages = [package for _, package, _ in self._runtime.load([name])]
            plugin = spec.handler or spec.wsgi or spec.asgi or ""
            return name, ", ".join(filter(None, [plugin, *packages]))

    def web(self, environ: "WSGIEnvironment", request_id: str) -> WebAnswer:
        """Send a web request."""
        with self._stage.call(request_id) as log:
            return call_thread.run(lambda: send(self._application, environ, log.lines))

    def close(self, limit: float) -> tuple[bool, list[str]]:
        """Run the pre_stop hooks that are left, and end all threads; return whether that was done.

        Returns also what was logged.
        """
        with self._stage.call("") as log:
            done = self._runtime.stop(limit)
            done = self._runtime.close(limit) and done
        return done, log.lines

    def _answer(
        self, context: Context, phase: Phase, work: Callable[[], Result], event: bytes = b""
    ) -> Answer:
        if self._runtime.forwards(context):
            return self._forwarded(context, phase, event)
        with self._stage.call(context.request_id) as log:
            begun = time.perf_counter()
            result = call_thread.run(work)
            duration = time.perf_counter() - begun
        return Answer(result.body, result.error, log.lines, duration)

    def _forwarded(self, context: Context, phase: Phase, event: bytes) -> Answer:
        """Send a phase to the application that answers all of them."""
        environ = environ_of("POST", phase.value, context.to_headers().items(), event)
        environ[protocol.environ_key(protocol.CONTROL_PATH)] = phase.value
        answer = self.web(environ, context.request_id)
        error = answer.error
        if error is None and answer.headers[protocol.STATUS] != "200":
            error = Refused(f"the application answered {phase.value} with {answer.status}")
        return Answer(answer.body, error, answer.log, answer.duration)

    @property
    def _application(self) -> "WSGIApplication":
        """The application that a server would serve, called by the platform."""
        if self._app is None:
            from fcplug.app import create_app  # Falcon, for web requests only  # noqa: PLC0415

            settings = replace(self._runtime.config.runtime, trust_callers=True, auth=None)
            self._app = create_app(self._runtime, self._environ, settings)
        return self._app
