"""An asynchronous FastAPI app."""

import os

from fastapi import FastAPI, Request, Response

ECHO = bool(os.environ.get("BENCH_ECHO"))


async def invoke(request: Request) -> Response:
    request_id = request.headers.get("x-fc-request-id")
    print(f"FC Invoke Start RequestId: {request_id}", flush=True)
    event = await request.body()
    answer = Response(event if ECHO else b"Hello, World!")
    print(f"FC Invoke End RequestId: {request_id}", flush=True)
    return answer


app = FastAPI()
app.add_api_route("/invoke", invoke, methods=["POST"])
