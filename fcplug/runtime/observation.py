"""Tell the observers of a process what happens to calls."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import isclass
from typing import TYPE_CHECKING, Any

import pluggy

from fcplug import observerspecs
from fcplug.config.loader import Config
from fcplug.config.model import ObserverEntry
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.hookspecs import PROJECT
from fcplug.observerspecs import Call, Kind
from fcplug.plugins import importer
from fcplug.plugins.entry_points import EntryPointIndex
from fcplug.plugins.importer import OBSERVERS
from fcplug.plugins.settings import Settings
from fcplug.process.forks import fork_counter
from fcplug.result import format_error, message_of
from fcplug.runtime.admission import Admission
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("fcplug")


class Observers:
    """The observers that ``runtime.observers`` names.

    Attributes:
        pages: the paths that they answer.
    """

    def __init__(self, managers: list[pluggy.PluginManager]) -> None:
        self.pages: Mapping[str, WSGIApplication] = {}
        self._callers = {
            name: [
                caller
                for manager in managers
                if (caller := getattr(manager.hook, name)).get_hookimpls()
            ]
            for name in observerspecs.NAMES
        }
        self._reported: set[str] = set()
        self._process = os.getpid()

    @classmethod
    def load(cls, config: Config) -> "Observers | None":
        """Load the observers of a configuration, and call ``opened`` and ``pages``.

        Returns None without any. One that cannot be loaded is reported and left out: the functions
        are served without it.
        """
        managers = []
        for _, found in _each(config):
            if isinstance(found, PluginError):
                log.error("served without an observer: %s", format_error(found))
            else:
                managers.append(found)
        if not managers:
            return None
        observers = cls(managers)
        observers._open(config.runtime.processes)
        return observers

    def close(self) -> None:
        """Call ``closed``, in the process that called ``open``."""
        if os.getpid() == self._process:
            self._tell("closed")

    def call(
        self, function: str, kind: Kind, own: Context, environ: "WSGIEnvironment | None" = None
    ) -> Call:
        """Return a call that has arrived, and report it."""
        call = Call(function, kind, own, environ)
        self._tell("call_received", call=call)
        return call

    def invoke(self, call: Call, admission: Admission | None, work: Callable[[], bytes]) -> bytes:
        """Run an invocation within its limits, and report it."""
        forks = fork_counter.forks
        begin = partial(self._begin, call, work)
        try:
            return begin() if admission is None else admission.invoke(begin, call.context)
        except BaseException as error:
            call.error = error
            raise
        finally:
            self._end(call, forks)

    def web(
        self, call: Call, admission: Admission | None, work: Callable[[], Response]
    ) -> Response:
        """Run a web request within its limits, and report it when its body is closed."""
        forks = fork_counter.forks
        begin = partial(self._begin, call, work)
        try:
            response = begin() if admission is None else admission.web(begin, call.context)
        except BaseException as error:
            call.error = error
            self._end(call, forks)
            raise
        call.status = int(response.status[:3])
        response.on_close.append(partial(self._end, call, forks))
        return response

    def initialized(self, function: str, seconds: float, error: BaseException | None) -> None:
        """Report that the initialize hooks of a function have run."""
        self._tell("function_initialized", function=function, seconds=seconds, error=error)

    def _open(self, processes: int) -> None:
        self._tell("opened", processes=processes)
        pages: dict[str, WSGIApplication] = {}
        for found in self._tell("pages"):
            for path, application in found.items():
                pages[path] = partial(_page, path, application)
        self.pages = pages

    def _begin(self, call: Call, work: Callable[[], Any]) -> Any:
        if call.start():
            self._tell("call_started", call=call)
        return work()

    def _end(self, call: Call, forks: int) -> None:
        if fork_counter.forks != forks:
            return  # a child that the handler has forked: the parent reports the call
        call.end()
        self._tell("call_ended", call=call)

    def _tell(self, hook: str, **given: Any) -> list[Any]:
        """Call a hook of each observer; return what they return, and report what they raise."""
        found: list[Any] = []
        for caller in self._callers[hook]:
            try:
                found += caller(**given)
            except BaseException as error:
                if hook not in self._reported:
                    self._reported.add(hook)
                    log.error("an observer failed in '%s': %s", hook, format_error(error))
        return found


def broken(config: Config) -> Iterator[tuple[int, PluginError]]:
    """Yield the observers of a configuration that cannot be loaded: their position, and why."""
    for position, found in _each(config):
        if isinstance(found, PluginError):
            yield position, found


def _each(config: Config) -> Iterator[tuple[int, pluggy.PluginManager | PluginError]]:
    """Yield each observer's position, and a plugin manager with its hooks or why there is none."""
    index = EntryPointIndex()
    for position, item in enumerate(config.runtime.observers):
        entry = ObserverEntry(item) if isinstance(item, str) else item
        path = ("runtime", "observers", position, "settings")
        settings = Settings(config.document, entry.settings, path)
        try:
            yield position, _manager_of(index, entry, settings)
        except PluginError as error:
            yield position, error


def _manager_of(
    index: EntryPointIndex, entry: ObserverEntry, settings: Settings
) -> pluggy.PluginManager:
    target, source = importer.resolve(index, OBSERVERS, entry.name)
    with importer.attributed_to(source):
        plugin = settings.instantiate(target) if isclass(target) else target
        if not isclass(target):
            settings.reject(f"{entry.name} is not a class: only classes take settings")
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(observerspecs)
        try:
            manager.register(plugin)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            what = message_of(error).replace("\n", " ")
            raise PluginError("PluginInvalid", what, fix="correct the hook") from None
        if not manager.get_hookcallers(plugin):
            raise PluginError(
                "PluginInvalid",
                f"{entry.name} has no hooks of an observer",
                fix=f"give it one of {', '.join(observerspecs.NAMES)}, marked @hookimpl",
            )
        return manager


def _page(
    path: str,
    application: "WSGIApplication",
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Any:
    """Answer by an observer's application; if that fails, with 500."""
    try:
        return application(environ, start_response)
    except Exception as error:
        log.error("the page %s failed: %s", path, format_error(error))
        body = b"this page has failed; the log says why\n"
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("500 Internal Server Error", fields)
        return [body]
