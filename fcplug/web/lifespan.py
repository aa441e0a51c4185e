"""Run the lifespan of an ASGI 3 application: its startup and its shutdown.

The states of a lifespan, whose task is the application itself::

    new --startup()--> starting --startup.complete--> started --shutdown()--> stopping --> ended
                          |
                          +-- startup.failed, an error or a return --> ended
"""

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

_GRACE = 1.0  # seconds for an application to return after its last message


class Lifespan:
    """One lifespan of an application; every coroutine runs on the event loop.

    Attributes:
        state: what the startup stores for the scope of every request.
        task: the application's task, once it has started.
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
        """Start the application.

        One that ends without a reply does not support lifespan.

        Raises:
            LifespanFailed: the application reports a failure.
            BaseException: what it raises after that report.
        """
        self.task = asyncio.create_task(self._run())
        if await self._request("startup") is None:
            why = "it returned" if self._error is None else summary(self._error)
            log.info("the application does not support lifespan: %s", why)

    async def shutdown(self) -> None:
        """Ask the application to shut down; raise its error, or LifespanFailed."""
        if self.task and not self.task.done():
            if await self._request("shutdown") is None and self._error is not None:
                raise self._error
            await asyncio.wait([self.task], timeout=_GRACE)

    async def cancel(self) -> None:
        """Cancel the application's task, and wait until it has ended."""
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
        """Send a phase to the application; return its reply, or None if it ended instead."""
        self._to_application.put_nowait({"type": f"lifespan.{phase}"})
        reply = await self._from_application.get()
        if reply and reply["type"] == f"lifespan.{phase}.failed":
            if self.task:  # the error that it raises says more than its message
                await asyncio.wait([self.task], timeout=_GRACE)
            if self._error is not None:
                raise self._error
            raise LifespanFailed(phase, str(reply.get("message", "")))
        return reply
