"""A Starlette application without a lifespan of its own, with a middleware of each kind."""

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Raise:
    """Raise before anybody can answer, outside what the framework catches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer everything but one path."""
        if scope.get("path") == "/raise":
            raise LookupError("raised through")
        await self._app(scope, receive, send)


class Named(BaseHTTPMiddleware):
    """Add a header."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        """Add it to every answer."""
        response: Response = await call_next(request)
        response.headers["x-named"] = request.url.path
        return response


async def home(request: Request) -> Response:
    """Set two cookies."""
    response = PlainTextResponse("home")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def echo(request: Request) -> Response:
    """Tell the size of a body that is read as it comes."""
    return JSONResponse({"size": sum([len(chunk) async for chunk in request.stream()])})


async def url(request: Request) -> Response:
    """Tell where this route is."""
    return PlainTextResponse(str(request.url_for("shelf:url")))


async def file(request: Request) -> Response:
    """Send this file."""
    return FileResponse(Path(__file__))


shop = Starlette(
    routes=[
        Route("/", home),
        Route("/echo", echo, methods=["POST", "PUT"]),
        Route("/file", file),
        Mount("/shelf", name="shelf", routes=[Route("/url", url, name="url")]),
    ],
    middleware=[Middleware(Named)],
)
app = Raise(shop)
