"""A FastAPI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Order(BaseModel):
    """What a customer orders."""

    item: str
    count: int = 1


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open the shop before the first customer, close it after the last."""
    if Path("closed-today").exists():
        Path("closed-today").unlink()
        raise LookupError("closed today")
    loop = asyncio.get_running_loop()
    print("shop opened", flush=True)
    yield {"stock": {"tea": 3}, "loop": loop}
    print("shop closed", flush=True)


app = FastAPI(lifespan=lifespan)


async def till() -> AsyncIterator[str]:
    """Open the till for one request."""
    try:
        yield "till"
    finally:
        print("till closed", flush=True)


Till = Annotated[str, Depends(till)]


@app.get("/items/{item}")
async def items(request: Request, item: str, count: int = 1) -> dict[str, Any]:
    """Answer by path, query, the state of the startup, and the context."""
    same = request.state.loop is asyncio.get_running_loop()
    left = request.state.stock.get(item, 0) - count
    return {"left": left, "same loop": same, "id": request.scope["fc.context"].request_id}


@app.post("/orders", status_code=201)
async def orders(order: Order, till: Till, tasks: BackgroundTasks) -> Order:
    """Take an order, and write the bill afterwards."""
    tasks.add_task(bill, order)
    return Order(item=order.item.upper(), count=order.count)


async def bill(order: Order) -> None:
    """Write the bill."""
    await asyncio.sleep(0.1)
    print(f"bill for {order.item}", flush=True)


@app.post("/upload")
async def upload(file: UploadFile) -> int:
    """Tell the size of a file."""
    return len(await file.read())


@app.get("/threads")
def threads(request: Request) -> str:
    """Answer on a thread of the framework's."""
    return str(request.scope["fc.context"].request_id)


@app.get("/events")
async def events(gate: str) -> StreamingResponse:
    """Send events, the second once the client has the first."""

    async def stream() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        while not Path(gate).exists():
            await asyncio.sleep(0.01)
        yield "data: 2\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Send events for ever."""

    async def stream() -> AsyncIterator[str]:
        try:
            while True:
                yield "data: more\n\n" * 100
                await asyncio.sleep(0)
        finally:
            print("stream closed", flush=True)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/boom")
async def boom() -> None:
    """Fail: the answer is the framework's own."""
    raise ValueError("no such luck")


@app.get("/sleep")
async def sleep(till: Till) -> None:
    """Be late."""
    await asyncio.sleep(1000)
