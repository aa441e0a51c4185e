"""The WSGI application of the console."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import falcon

from fcplug.console.editor import Calls
from fcplug.console.function_pages import FunctionPages
from fcplug.console.inspection import Inspection
from fcplug.console.invocation_pages import InvocationPages
from fcplug.console.pages import Pages
from fcplug.console.platform_pages import ConfigurationPages, InstancePages, QueuePages
from fcplug.console.security import STATIC, Access, Guard, form_handler
from fcplug.console.static_files import StaticFiles
from fcplug.console.stream import Streams
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import InstanceState, Platform

App = falcon.App[falcon.Request, falcon.Response]

log = logging.getLogger("fcplug.console")


class Run(NamedTuple):
    """What belongs to one run of the console; ``boot`` is its name."""

    access: Access
    boot: str
    streams: Streams


def create_app(platform: Platform, queue: AsyncQueue, inspection: Inspection, run: Run) -> App:
    """Return the application."""
    app = falcon.App(middleware=[Guard(run.access)])
    app.req_options.media_handlers[falcon.MEDIA_MULTIPART] = form_handler()
    static = StaticFiles()

    def facts() -> Mapping[str, Any]:
        living = [each for each in platform.instances() if each.state is not InstanceState.ENDED]
        return {"instances_living": len(living)}

    pages = Pages(run.access, run.boot, static.version, facts)
    functions = FunctionPages(pages, platform, inspection, Calls(platform, queue))
    invocations = InvocationPages(pages, platform)
    tasks = QueuePages(pages, queue)
    app.add_route("/", functions)
    app.add_route("/functions/{function}", functions, suffix="function")
    app.add_route("/invocations", invocations)
    app.add_route("/invocations/{number:int}", invocations, suffix="invocation")
    app.add_route("/invocations/{number:int}/{part}", invocations, suffix="part")
    app.add_route("/figures", invocations, suffix="figures")
    app.add_route("/instances", InstancePages(pages, platform))
    app.add_route("/queue", tasks)
    app.add_route("/queue/{function}/{task}", tasks, suffix="task")
    app.add_route("/configuration", ConfigurationPages(pages, inspection))
    app.add_route("/stream", run.streams)
    app.add_route(STATIC + "{name}", static)
    for kind in (Exception, falcon.HTTPError):  # the last that fits is used
        app.add_error_handler(kind, _ErrorPages(pages).answer)
    return app


class _ErrorPages:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def answer(
        self,
        request: falcon.Request,
        response: falcon.Response,
        error: Exception,
        _parameters: Mapping[str, object],
    ) -> None:
        """Answer with a page that says what is wrong."""
        if not isinstance(error, falcon.HTTPError):
            log.error("%s %s failed", request.method, request.path, exc_info=error)
            error = falcon.HTTPInternalServerError(
                title="The console failed", description=f"{type(error).__name__}: {error}"
            )
        response.status = error.status
        response.set_headers(error.headers or {})
        self._pages.send(response, "error.html", title=error.title, text=error.description or "")
