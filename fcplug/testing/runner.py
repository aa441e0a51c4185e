"""Runs functions in this process, without a server, by the runtime itself."""

import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fcplug import protocol
from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.context import Context
from fcplug.errors import listing
from fcplug.testing.answers import Answer, WebAnswer
from fcplug.testing.composing import FILE, Kind, Objects, Options, compose
from fcplug.testing.contexts import headers_of
from fcplug.testing.served import Served
from fcplug.testing.stage import Stage
from fcplug.testing.web_requests import Fields, encoded, environ_of, fields_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_Answered = TypeVar("_Answered", Answer, WebAnswer)

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def _nobody(_log: str) -> None:
    """Leave the log to those who read it in the answers."""


class Runner:
    """Runs the functions of a configuration, or single handlers that a test names.

    Everything is as in an instance: hooks, context, middleware, deadlines, settings, error
    documents, log lines. What a function does wrong is in the answer, and never raised.

    Calls may overlap on several threads. A call while one of another runner runs is a
    RuntimeError, as a process has one standard output, unless it is made inside that one.

    Args:
        config: the functions; without it, each call names a handler and its options.
        environ: the environment that the runtime reads, else that of the process.
        log_level: the least level of log record that is written, where there is no ``config``.
        on_log: called with the log of each call when it has ended.
        stop_limit: seconds for the pre_stop hooks at the end; as many as in an instance.
    """

    def __init__(
        self,
        config: Config | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        log_level: Level = "INFO",
        on_log: Callable[[str], object] = _nobody,
        stop_limit: float = 5.0,
    ) -> None:
        self._functions = listing(config.functions) if config else "what each call names"
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._on_log = on_log
        self._stop_limit = stop_limit
        self._configured = config is not None
        style = config.runtime.log_format if config else "text"
        level = config.runtime.log_level if config else log_level
        self._stage = Stage(style, level, self._environ)
        self._objects = Objects()
        self._lock = threading.Lock()
        self._closed = False
        self._served: dict[str, Served] = {}
        if config is not None:
            self._served[""] = Served(config, self._environ, self._stage)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        environ: Mapping[str, str] | None = None,
        *,
        on_log: Callable[[str], object] = _nobody,
    ) -> "Runner":
        """Return a runner of the functions of a ``functions.yaml``.

        Their code is looked for in the file's folder, or in the one above if that is ``config``;
        elsewhere if FC_FUNC_CODE_PATH names a folder.

        Raises:
            ConfigError: the file cannot be read, or is wrong; each problem with its line.
        """
        file = os.path.abspath(path)
        given = os.environ if environ is None else environ
        folder, name = os.path.split(os.path.dirname(file))
        code = folder if name == "config" else os.path.join(folder, name)
        around = {**given}
        if not around.get(protocol.CODE_PATH_VARIABLE):
            around[protocol.CODE_PATH_VARIABLE] = code
        return cls(loader.load(file, around), around, on_log=on_log)

    @classmethod
    def from_text(
        cls,
        text: str,
        environ: Mapping[str, str] | None = None,
        *,
        on_log: Callable[[str], object] = _nobody,
    ) -> "Runner":
        """Return a runner of the functions of a configuration, given as YAML.

        Raises:
            ConfigError: it is wrong; each problem with its line.
        """
        given = os.environ if environ is None else environ
        return cls(loader.parse(text, "functions.yaml", given), given, on_log=on_log)

    def invoke(
        self,
        function: Any,
        event: Any = b"",
        *,
        context: Context | None = None,
        **options: "Unpack[Options]",
    ) -> Answer:
        """Send an event to a function, and return what it answers.

        Args:
            function: its name in the configuration; without one, a handler: its name as in
                ``functions.yaml``, or the object itself. One that was called before with the same
                options is the same function, and is not initialized again.
            event: bytes are sent as they are, text as UTF-8, anything else as JSON.
            context: whose request id, credentials and other values the call has.
            options: keys of the function's entry, where there is no configuration.

        Raises:
            ConfigError: the options are not those of a function.
            TypeError: the event is not JSON; options where a configuration has them.
        """
        served = self._find(function, "handler", options)
        return self._logged(served.invoke(encoded(event), self._context(served, function, context)))

    def http(
        self,
        function: Any,
        method: str = "GET",
        url: str = "/",
        *,
        headers: Fields = (),
        body: Any = b"",
        **options: Any,
    ) -> WebAnswer:
        """Send a web request to a function, and return what it answers.

        Args:
            function: as for ``invoke``.
            method: of the request.
            url: its path and query, or a whole URL.
            headers: its fields, as a mapping or as pairs.
            body: bytes are sent as they are, text as UTF-8, anything else as JSON.
            options: as for ``invoke``, ``context`` included. Without a configuration, ``kind`` is
                "wsgi" or "asgi" where the function is such an application, else "handler".
        """
        context: Context | None = options.pop("context", None)
        served = self._find(function, options.pop("kind", "handler"), options)
        called = self._context(served, function, context)
        fields = [*called.to_headers().items(), *fields_of(headers)]
        return self._logged(served.web(environ_of(method, url, fields, body), called.request_id))

    def answering(
        self,
        function: str,
        event: bytes = b"",
        *,
        web: tuple[str, str, Fields, bytes] | None = None,
        context: Context | None = None,
    ) -> tuple[str, str]:
        """Return which function of the configuration answers a call, and its plugin.

        Both are empty if none does. The plugin is named as in the configuration, and its package if
        it is installed: "hello, fcplug-hello 0.1.0".

        Args:
            function: the name that is called.
            event: for routes that look at the content.
            web: in place of the event the method, URL, headers and body of a web request.
            context: as for ``invoke``.
        """
        served = self._find(function, "handler", {})
        called = self._context(served, function, context)
        environ = None
        if web is not None:
            fields = [*called.to_headers().items(), *fields_of(web[2])]
            environ = environ_of(web[0], web[1], fields, web[3])
        return served.answering(called, event, environ)

    def initialize(
        self, function: Any, *, context: Context | None = None, **options: "Unpack[Options]"
    ) -> Answer:
        """Run a function's initialize hooks, as FC's initializer does: once, until they succeed."""
        served = self._find(function, "handler", options)
        return self._logged(served.initialize(self._context(served, function, context)))

    def pre_freeze(self, *, context: Context | None = None) -> Answer:
        """Run the pre_freeze hooks of all functions that are initialized."""
        return self._of_all(lambda served, called: served.pre_freeze(called), context)

    def stop(self, *, context: Context | None = None) -> Answer:
        """Run the pre_stop hooks of all functions that are initialized, in their order.

        A function that is called afterwards is initialized again.
        """
        return self._of_all(lambda served, called: served.pre_stop(called), context)

    def close(self) -> None:
        """Run the pre_stop hooks that are left, and put this process back as it was.

        Raises:
            RuntimeError: hooks or threads did not end in time.
        """
        if self._closed:
            return
        self._closed = True
        late = []
        for served in self._served.values():
            done, lines = served.close(self._stop_limit)
            if lines:
                self._on_log("\n".join(lines))
            if not done:
                late += lines or [f"an event loop did not end within {self._stop_limit:g} s"]
        self._objects.close()
        self._stage.close()
        if late:
            raise RuntimeError("the functions could not be stopped:\n" + "\n".join(late))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._functions}>"

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, function: Any, kind: Kind, options: Mapping[str, Any]) -> Served:
        """Return what serves a function; made now if it is the first call with these options."""
        if self._closed:
            raise RuntimeError("this runner is closed: make another")
        if self._configured:
            if options or kind != "handler":
                given = [*options, *(["kind"] if kind != "handler" else [])]
                raise TypeError(f"the configuration holds all options: leave out {listing(given)}")
            return self._served[""]
        with self._lock:
            text = compose(function, kind, options, self._objects)
            if text not in self._served:
                config = loader.parse(text, FILE, self._environ)
                self._served[text] = Served(config, self._environ, self._stage)
            return self._served[text]

    def _context(self, served: Served, function: Any, given: Context | None) -> Context:
        """Return the context of a call that is received now."""
        headers = given.to_headers() if given else headers_of({})
        if self._configured:
            headers[protocol.FUNCTION_NAME] = str(function)
        elif given is None:
            headers[protocol.FUNCTION_NAME] = served.first_function
        return Context.from_headers(headers, self._environ)

    def _of_all(
        self, action: Callable[[Served, Context], Answer], context: Context | None
    ) -> Answer:
        headers = context.to_headers() if context else headers_of({})
        headers.pop(protocol.FUNCTION_NAME, None)
        called = Context.from_headers(headers, {})
        answers = [self._logged(action(served, called)) for served in list(self._served.values())]
        failed = next((answer for answer in answers if answer.error is not None), None)
        return Answer(
            body=failed.body if failed else b"",
            error=failed.error if failed else None,
            log=[line for answer in answers for line in answer.log],
            duration=sum(answer.duration for answer in answers),
        )

    def _logged(self, answer: _Answered) -> _Answered:
        self._on_log("\n".join(answer.log))
        return answer
