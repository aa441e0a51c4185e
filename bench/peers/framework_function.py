"""A function for functions-framework."""

import os

from flask import Request, Response

ECHO = bool(os.environ.get("BENCH_ECHO"))


def handle(request: Request) -> Response:
    request_id = request.headers.get("x-fc-request-id")
    print(f"FC Invoke Start RequestId: {request_id}", flush=True)
    event = request.get_data()
    answer = Response(event if ECHO else b"Hello, World!")
    print(f"FC Invoke End RequestId: {request_id}", flush=True)
    return answer
