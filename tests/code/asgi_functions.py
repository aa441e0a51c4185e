"""ASGI applications that do what tests ask for; deployed by them, and imported by an instance."""

import asyncio
import contextlib
import contextvars
import inspect
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

Message = dict[str, Any]

asked = contextvars.ContextVar("asked", default="")


async def shop(scope: Message, receive: Any, send: Any) -> None:
    """Serve a lifespan with state, and do what the path says."""
    if scope["type"] == "lifespan":
        await live(scope, receive, send)
        return
    await PATHS[scope["path"].split("/")[1]](scope, receive, send)


async def live(scope: Message, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "lifespan.startup"
    if os.path.exists("fail-startup"):
        os.remove("fail-startup")
        raise_too = os.path.exists("raise-too")
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        if raise_too:
            raise LookupError("no database at all")
        return
    scope["state"]["opened"] = scope["fc.context"].settings.get("shelf", "none")
    scope["state"]["seen"] = []
    print("shop opened", flush=True)
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    print("shop closed", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Any, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        assert len(message["body"]) <= 1 << 16
        body, more = body + message["body"], message["more_body"]
    return body


async def scope_(scope: Message, receive: Any, send: Any) -> None:
    body = await body_of(receive)
    scope["state"]["seen"].append("kept")  # of all requests
    scope["state"]["own"] = "dropped"  # of this one alone
    told = {
        **scope,
        "headers": sorted(scope["headers"]),
        "fc.context": scope["fc.context"].request_id,
        "key": scope["fc.context"].credentials.access_key_id,
        "body": body.hex(),
    }
    asked.set(scope["path"])
    await asyncio.gather(child())
    text = json.dumps(told, default=lambda value: value.decode("latin-1"))
    await answer(send, text.encode())


async def child() -> None:
    logging.getLogger("shop").warning("asked for %s", asked.get())


async def stream(scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    for number in range(3):
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        print(f"sent {number}", flush=True)
        while not os.path.exists(scope["query_string"] + b"/%d" % number):
            await asyncio.sleep(0.01)
    await send({"type": "http.response.body"})


async def endless(scope: Message, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    watching = asyncio.ensure_future(receive())
    assert (await watching)["type"] == "http.request"
    watching = asyncio.ensure_future(receive())
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 4096, "more_body": True})
            await asyncio.sleep(0)
    except OSError as error:
        print(f"told {(await watching)['type']}, {type(error).__name__}", flush=True)
        if scope["query_string"] == b"stay":
            try:
                with contextlib.suppress(OSError):
                    await send({"type": "http.response.body"})
                await asyncio.sleep(1000)
            finally:
                print("sent away", flush=True)


async def sleep(_scope: Message, _receive: Any, send: Any) -> None:
    print("asleep", flush=True)
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        print("cleaned up", flush=True)


async def sleep_later(scope: Message, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await sleep(scope, receive, send)


async def fail(_scope: Message, _receive: Any, _send: Any) -> None:
    raise ValueError("no such luck")


class NoItems(Exception):
    """An error with a length of 0: it is false as a condition."""

    def __len__(self) -> int:
        return 0


async def fail_empty(_scope: Message, _receive: Any, _send: Any) -> None:
    raise NoItems("the shelf is empty")


async def fail_later(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    raise ValueError("no luck any more")


async def fail_after(_scope: Message, _receive: Any, send: Any) -> None:
    await answer(send, b"the shop's own page", status=500)
    raise ValueError("written to the log")


async def leave(_scope: Message, _receive: Any, send: Any) -> None:
    sys.exit(3)


async def cancel(_scope: Message, _receive: Any, _send: Any) -> None:
    raise asyncio.CancelledError


async def nothing(_scope: Message, _receive: Any, _send: Any) -> None:
    return


async def half(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})


async def body_first(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b"first"})


async def text_headers(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [("a", "b")]})


async def no_status(_scope: Message, _receive: Any, send: Any) -> None:
    await answer(send, b"", status=None)  # type: ignore[arg-type]


async def odd_status(_scope: Message, receive: Any, send: Any) -> None:
    await answer(send, b"", status=299)
    assert (await receive())["type"] == "http.disconnect"  # it has answered
    print("disconnected", flush=True)


async def background(_scope: Message, _receive: Any, send: Any) -> None:
    await answer(send, b"done", (b"Content-Length", b"4"))
    await asyncio.sleep(0.2)
    print("background done", flush=True)


async def large(scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    for number in range(512):
        body = bytes([number % 251]) * 65536
        await send({"type": "http.response.body", "body": body, "more_body": number < 511})
        if number % 64 == 0:
            print(f"made {number}", flush=True)


async def together(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    bodies = [{"type": "http.response.body", "body": b"x", "more_body": True} for _ in range(9)]
    await asyncio.gather(*map(send, bodies))
    await send({"type": "http.response.body", "body": b"y"})


async def fields(_scope: Message, _receive: Any, send: Any) -> None:
    cookies = [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"X-Bytes", b"\xc3\x89\xff")]
    dropped = [(b"Transfer-Encoding", b"chunked"), (b"Connection", b"close"), (b"X-Fc-A", b"1")]
    await answer(send, b"12345", *cookies, *dropped, (b"content-length", b"5"), status=201)


PATHS = {
    name.rstrip("_").replace("_", "-"): function
    for name, function in list(globals().items())
    if inspect.iscoroutinefunction(function) and name not in ("shop", "live", "answer")
}


async def plain(scope: Message, receive: Any, send: Any) -> None:
    """Serve without a lifespan, as many small applications do."""
    assert scope["type"] == "http"
    await answer(send, b"plain", (b"state", str(scope["state"]).encode()))


async def gone(scope: Message, receive: Any, send: Any) -> None:
    """Answer the startup and end; there is nobody to ask at the shutdown."""
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
        return
    await answer(send, b"gone")


async def tired(scope: Message, receive: Any, send: Any) -> None:
    """Fail at the shutdown."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise LookupError("nothing to close")
    await answer(send, b"tired")


async def empty_startup(scope: Message, receive: Any, send: Any) -> None:
    """Report that the startup failed, and raise an error that is false as a condition."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "see the error"})
        raise NoItems("the shelf is empty")


async def empty_shutdown(scope: Message, receive: Any, send: Any) -> None:
    """Raise an error that is false as a condition at the shutdown."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise NoItems("the shelf is empty")
    await answer(send, b"open")


async def empty_lifespan(scope: Message, _receive: Any, send: Any) -> None:
    """Support no lifespan, with an error that is false as a condition."""
    if scope["type"] == "lifespan":
        raise NoItems("the shelf is empty")
    await answer(send, b"open")


async def slow_start(scope: Message, receive: Any, send: Any) -> None:
    """Be late at the first startup, in time at the second."""
    if scope["type"] == "lifespan":
        await receive()
        if not os.path.exists("started-once"):
            Path("started-once").touch()
            try:
                await asyncio.sleep(1000)
            finally:
                print("startup cancelled", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await answer(send, b"started")


async def handle(event: bytes) -> bytes:
    """Answer events beside the application."""
    return event
