"""A Flask app in the shape of Function Compute's samples for custom runtimes."""

import os
import sys

from flask import Flask, Response, request

ECHO = bool(os.environ.get("BENCH_ECHO"))

app = Flask(__name__)


def invoke() -> Response:
    request_id = request.headers.get("x-fc-request-id")
    print(f"FC Invoke Start RequestId: {request_id}", flush=True)
    event = request.stream.read()
    answer = Response(event if ECHO else b"Hello, World!")
    print(f"FC Invoke End RequestId: {request_id}", flush=True)
    return answer


app.add_url_rule("/invoke", view_func=invoke, methods=["POST"])

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))  # the development server, as in the samples
