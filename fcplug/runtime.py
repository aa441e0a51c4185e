"""All functions of a configuration, and who answers a call; knows no HTTP."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from fcplug import logs, protocol, result
from fcplug.config import Config
from fcplug.context import Context
from fcplug.errors import PluginError, UnknownFunction, WebRequestError
from fcplug.function import Function
from fcplug.plugins import Loader
from fcplug.protocol import Phase
from fcplug.result import Result
from fcplug.routing import Router

_Value = TypeVar("_Value")


class Runtime:
    """Serves the functions of one configuration.

    No method raises for what a plugin or a request does wrong: the failure is the answer, and the
    other functions go on.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._router = Router(config)
        self._loader = Loader(config.document)
        self._functions: dict[str, Function] = {}
        self._lock = threading.Lock()

    def invoke(self, event: bytes, context: Context) -> Result:
        """Answer one event by the function that the context leads to."""

        def work() -> bytes:
            function = self._function(self._router.resolve(context))
            return result.encode(function.invoke(event, context))

        return _answer(Phase.INVOKE, context, work)

    def initialize(self, context: Context) -> Result:
        """Run the initializers of the functions the context leads to; of all if it names none."""

        def work() -> bytes:
            outcomes = _each(self._meant(context), lambda f: f.initialize(context))
            return result.encode(outcomes[0]) if len(outcomes) == 1 else b""

        return _answer(Phase.INITIALIZE, context, work)

    def pre_freeze(self, context: Context) -> Result:
        """Run the pre_freeze hooks of every initialized function."""

        def work() -> bytes:
            _each(self._initialized(), lambda f: f.pre_freeze(context))
            return b""

        return _answer(Phase.PRE_FREEZE, context, work)

    def pre_stop(self, context: Context) -> Result:
        """Run the pre_stop hooks of every initialized function."""

        def work() -> bytes:
            _each(self._initialized(), lambda f: f.pre_stop(context))
            return b""

        return _answer(Phase.PRE_STOP, context, work)

    def web(self, method: str, path: str, context: Context) -> Result:
        """Refuse a web request: functions answer events."""

        def work() -> bytes:
            raise WebRequestError(method, path)

        return _answer(Phase.WEB, context, work)

    def load(self, names: Iterable[str]) -> Iterator[tuple[str, str, PluginError | None]]:
        """Bring functions to life in turn; yield each name, its handler's package, its error."""
        for name in names:
            try:
                yield name, self._function(name).load().handler.package, None
            except PluginError as error:
                yield name, "", error

    def wanted(self, environ: Mapping[str, str]) -> list[str]:
        """Return the functions to bring to life at start.

        On FC those that calls of this instance's function can reach, elsewhere all.
        """
        if not environ.get(protocol.INSTANCE_VARIABLE):
            return list(self.config.functions)
        try:
            return self._router.candidates(Context.from_headers({}, environ))
        except UnknownFunction as error:
            logging.getLogger("fcplug").error("%s", error)
            return []

    def stop(self, environ: Mapping[str, str]) -> None:
        """Run the pre_stop hooks that no ``/pre-stop`` has run before."""
        if self._initialized():
            self.pre_stop(Context.from_headers({}, environ))

    def _function(self, name: str) -> Function:
        function = self._functions.get(name)
        if function is None:
            with self._lock:
                spec = self.config.functions[name]
                function = self._functions.setdefault(name, Function(spec, self._loader))
        return function

    def _meant(self, context: Context) -> list[Function]:
        named = context.header(protocol.FUNCTION_NAME) or context.header(protocol.FUNCTION_HANDLER)
        names = self._router.candidates(context) if named else self.config.functions
        return [self._function(name) for name in names]

    def _initialized(self) -> list[Function]:
        with self._lock:
            functions = list(self._functions.values())
        return [function for function in functions if function.initialized]


def _answer(which: Phase, context: Context, work: Callable[[], bytes]) -> Result:
    """Run one phase between its log lines; whatever it raises is the answer."""
    try:
        with logs.phase(which, context):
            return Result(work())
    except BaseException as error:
        return result.failure(error, context.credentials)


def _each(functions: Iterable[Function], action: Callable[[Function], _Value]) -> list[_Value]:
    """Do the action to every function, whatever some raise; then raise the first error."""
    values: list[_Value] = []
    errors: list[BaseException] = []
    for function in functions:
        try:
            values.append(action(function))
        except BaseException as error:
            errors.append(error)
    for further in errors[1:]:
        logging.getLogger("fcplug").error("%s", result.explain(further))
    if errors:
        raise errors[0]
    return values
