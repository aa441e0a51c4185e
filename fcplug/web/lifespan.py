"""The lifespan of an ASGI 3 application: what it does before its requests and after them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fcplug.context import Context
from fcplug.errors import LifespanFailed
from fcplug.result import summary

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Message, Receive, Send], Awaitable[None]]

log = logging.getLogger("fcplug")

VERSIONS = {"version": "3.0", "spec_version": "2.4"}  # 2.4: send raises when the client is gone

_GRACE = 1.0  # seconds to end for an application that has said it will end


class Lifespan:
    """One life of an application, from its startup to its shutdown; all of it runs on the loop.

    Attributes:
        state: what the startup has left there for every request's scope.
        task: the application's, once it has begun.
    """

    def __init__(self, application: ASGIApplication, context: Context) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._scope = {
            "type": "lifespan",
            "asgi": VERSIONS,
            "state": self.state,
            "fc.context": context,
        }
        self._to_application: asyncio.Queue[Message] = asyncio.Queue()
        self._from_application: asyncio.Queue[Message | None] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def startup(self) -> None:
        """Begin; an application that ends without an answer has no lifespan, which is fine.

        Raises:
            LifespanFailed: the application says so.
            BaseException: what it raises after that.
        """
        self.task = asyncio.create_task(self._run())
        if await self._request("startup") is None:
            why = summary(self._error) if self._error else "it has returned"
            log.info("the application takes no part in lifespan: %s", why)

    async def shutdown(self) -> None:
        """Ask the application to end; what it raises, or LifespanFailed, is raised."""
        if self.task and not self.task.done():
            if await self._request("shutdown") is None and self._error:
                raise self._error
            await asyncio.wait([self.task], timeout=_GRACE)

    async def cancel(self) -> None:
        """Cancel whatever still runs, and wait for its end."""
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def _run(self) -> None:
        try:
            await self._application(
                self._scope, self._to_application.get, self._from_application.put
            )
        except BaseException as error:
            self._error = error
        self._from_application.put_nowait(None)

    async def _request(self, phase: str) -> Message | None:
        """Return what the application says to a phase, None if it ends instead."""
        self._to_application.put_nowait({"type": f"lifespan.{phase}"})
        reply = await self._from_application.get()
        if reply and reply["type"] == f"lifespan.{phase}.failed":
            assert self.task  # noqa: S101 - it has spoken
            await asyncio.wait([self.task], timeout=_GRACE)  # it may say more by raising
            raise self._error or LifespanFailed(phase, str(reply.get("message", "")))
        return reply
