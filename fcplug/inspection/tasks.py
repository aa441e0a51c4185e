"""What an inspection asks of author code, in a process of its own: no hook is run."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from fcplug import protocol
from fcplug.concurrency.event_loop import EventLoop
from fcplug.config import loader
from fcplug.config.loader import Config
from fcplug.config.location import Path
from fcplug.config.model import FunctionSpec, MiddlewareEntry
from fcplug.errors import FcplugError, PluginError
from fcplug.hookspecs import KEYS
from fcplug.inspection import described, plugin_facts, stand_in
from fcplug.plugins import code_path
from fcplug.plugins.loader import Loader
from fcplug.plugins.shared_hooks import SharedHooks
from fcplug.runtime import observation

Task = Callable[[str], dict[str, Any]]

_HOOKS = ("initialize", "pre_freeze", "pre_stop")


def task(job: Mapping[str, Any]) -> Task:
    """Prepare this process as one that serves, and return the task of a job."""
    heard = _Heard()
    logging.getLogger("fcplug").addHandler(heard)
    logging.getLogger("fcplug").propagate = False
    environ = dict(os.environ)
    work = _TASKS[job["task"]](job, environ)
    code_path.add(environ)
    for name in protocol.hidden_variables(environ):
        del os.environ[name]

    def heard_too(item: str) -> dict[str, Any]:
        answer = work(item)
        return {**answer, "warnings": heard.taken()}

    return heard_too


class _Heard(logging.Handler):
    """Keeps the warnings that loading plugins logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())

    def taken(self) -> list[str]:
        texts, self._texts = self._texts, []
        return texts


def _functions(job: Mapping[str, Any], environ: dict[str, str]) -> Task:
    config, _ = loader.examine(job["text"], job["file"], environ)
    assert config is not None  # noqa: S101 - the parent has read the same text
    plugins = Loader(config.document, EventLoop(), environ, SharedHooks())

    def load(name: str) -> dict[str, Any]:
        spec = config.functions[name]
        try:
            return {"errors": [], "hooks": _loaded(plugins, spec, config)}
        except FcplugError as error:
            whole = _described(error, _answering(spec))
        return {"errors": list(_of_each(plugins, spec, config)) or [whole], "hooks": []}

    return load


def _observers(job: Mapping[str, Any], environ: dict[str, str]) -> Task:
    config, _ = loader.examine(job["text"], job["file"], environ)
    assert config is not None  # noqa: S101 - the parent has read the same text

    def load(_: str) -> dict[str, Any]:
        return {
            "errors": [
                _described(error, ("runtime", "observers", position))
                for position, error in observation.broken(config)
            ]
        }

    return load


def _schemas(job: Mapping[str, Any], environ: dict[str, str]) -> Task:
    config = loader.parse(job["text"], job["file"], environ)
    plugins = Loader(config.document, EventLoop(), environ, SharedHooks())

    def describe(name: str) -> dict[str, Any]:
        spec = config.functions[name]
        if spec.python is not None:
            return {"error": "it runs in a Python of its own"}
        try:
            return {"described": described.described(plugins.load(spec))}
        except FcplugError as error:
            return {"error": str(error)}

    return describe


def _plugins(job: Mapping[str, Any], environ: dict[str, str]) -> Task:  # noqa: ARG001
    def look(item: str) -> dict[str, Any]:
        group, reference = json.loads(item)
        try:
            return plugin_facts.facts(group, reference)
        except FcplugError as error:
            return {"error": _described(error, ())}

    return look


def _entries(job: Mapping[str, Any], environ: dict[str, str]) -> Task:  # noqa: ARG001
    return lambda _: {"entries": plugin_facts.entries()}


_TASKS: Mapping[str, Callable[[Mapping[str, Any], dict[str, str]], Task]] = {
    "functions": _functions,
    "observers": _observers,
    "schemas": _schemas,
    "plugins": _plugins,
    "entries": _entries,
}


def _loaded(plugins: Loader, spec: FunctionSpec, config: Config) -> list[str]:
    """Load the plugins of a function where it would run; return the hooks that they have."""
    if spec.python is None:
        loaded = plugins.load(spec)
        # an application's lifespan is not known before it runs
        return [hook for hook in _HOOKS if loaded.implements(hook)] if spec.asgi is None else []
    from fcplug.runtime.snapshot import workers_of  # noqa: PLC0415 - for a Python of their own

    workers = workers_of(replace(spec, workers=1), config, os.getcwd())
    try:
        workers.load()
        return [hook for hook in _HOOKS if workers.implements(hook)] if spec.asgi is None else []
    finally:
        workers.close()


def _of_each(plugins: Loader, spec: FunctionSpec, config: Config) -> Iterator[dict[str, Any]]:
    """Load each plugin of a function alone, and yield what is wrong with it."""
    seen = set()
    for path, alone in _parts(spec, config):
        try:
            _loaded(plugins, alone, config)
        except FcplugError as error:
            if str(error) not in seen:
                seen.add(str(error))
                yield _described(error, path)


def _parts(spec: FunctionSpec, config: Config) -> Iterator[tuple[Path, FunctionSpec]]:
    path: Path = ("functions", spec.name)
    bare = replace(
        spec,
        handler=stand_in.HANDLER,
        settings={},
        middleware=(),
        wsgi=None,
        asgi=None,
        initializer=None,
        pre_freeze=None,
        pre_stop=None,
    )
    if spec.handler:
        yield (*path, "handler"), replace(bare, handler=spec.handler, settings=spec.settings)
    for key in ("wsgi", "asgi"):
        if application := getattr(spec, key):
            yield (*path, key), replace(bare, **{key: application, "handler": None})
    for key in KEYS:
        if getattr(spec, key):
            yield (*path, key), replace(bare, **{key: getattr(spec, key)})
    source: Path = path if (*path, "middleware") in config.document.locations else ("defaults",)
    others = [MiddlewareEntry(stand_in.MIDDLEWARE)] * len(spec.middleware)
    for index, item in enumerate(spec.middleware):
        line = (*others[:index], item, *others[index + 1 :])
        yield (*source, "middleware", index), replace(bare, middleware=line)


def _answering(spec: FunctionSpec) -> Path:
    key = "handler" if spec.handler else "wsgi" if spec.wsgi else "asgi"
    return ("functions", spec.name, key)


def _described(error: FcplugError, path: Path) -> dict[str, Any]:
    """Return an error of one plugin as JSON can carry it."""
    what, _, fix = str(error).partition("\n  fix: ")
    described: dict[str, Any] = {
        "kind": error.error_type,
        "what": what,
        "causes": [str(cause) for cause in error.causes],
        "path": list(path),
        "fix": fix,
        "source": "",
        "problems": [],
    }
    if isinstance(error, PluginError):
        described.update(what=error.what, fix=error.fix, source=error.where)
        described.update(problems=[list(problem) for problem in error.problems])
    return described
