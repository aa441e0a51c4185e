"""The runtime as a WSGI application, for any other server: ``gunicorn fcplug.wsgi:app``.

The import reads the configuration, loads the functions that run in this process, and fails with
the report if the configuration is wrong. Threads and worker processes are started by the first
request: a server may fork after the import.
"""

import atexit
import concurrent.futures.thread  # noqa: F401 - what it does at the end must come after our own
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import fcplug
from fcplug import compiled_modules

compiled_modules.install()
from fcplug import logs, protocol
from fcplug.app import create_app
from fcplug.concurrency import current_loop
from fcplug.config.file import ConfigFile
from fcplug.instance import STOP_LIMIT, request_stop
from fcplug.plugins import code_path
from fcplug.runtime import startup
from fcplug.runtime.runtime import Runtime
from fcplug.server.guard import guard

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def create(environ: Mapping[str, str]) -> "WSGIApplication":
    """Return the application that serves the configuration that the environment names.

    Raises:
        ConfigError: the configuration is wrong.
    """
    file = ConfigFile(None, environ)
    config = file.load()
    settings = config.runtime
    logs.configure(settings.log_format, settings.log_level, settings.log_blocked)
    file.log_unused()
    logs.write_status(f"{protocol.INITED_LINE}\n")
    startup.announce(
        f"fcplug {fcplug.__version__} serves {config.file} under another server",
        settings.log_format,
    )
    current_loop.install()
    code_path.add(environ)
    for name in protocol.hidden_variables(os.environ):
        del os.environ[name]  # from the author's code, as in an instance
    watched = file if settings.reload == "on-request" else None
    runtime = Runtime(config, environ, file=watched, on_exhausted=request_stop)
    startup.load_and_report(
        runtime,
        [name for name in runtime.wanted() if config.functions[name].isolation == "thread"],
    )
    _at_exit(lambda: _stop(runtime))  # nothing to do where nothing was served
    return guard(create_app(runtime, environ, settings))


def _stop(runtime: Runtime) -> None:
    runtime.stop(STOP_LIMIT)
    if runtime.observers is not None:
        runtime.observers.close()


def _at_exit(stop: Callable[[], object]) -> None:
    """Call ``stop`` when the process ends, while threads can still be started.

    ``atexit`` is too late: stop hooks could start no thread there, and would have no time limit.
    """
    register = getattr(threading, "_register_atexit", atexit.register)
    register(stop)


app = create(dict(os.environ))
