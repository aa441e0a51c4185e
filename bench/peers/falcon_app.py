"""Minimal Falcon: the two log lines, the body read, 'Hello, World!' (or the body itself)."""

import os

import falcon

ECHO = bool(os.environ.get("BENCH_ECHO"))


class Invoke:
    """POST /invoke."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        request_id = req.get_header("x-fc-request-id")
        print(f"FC Invoke Start RequestId: {request_id}", flush=True)
        event = req.stream.read()
        resp.data = event if ECHO else b"Hello, World!"
        print(f"FC Invoke End RequestId: {request_id}", flush=True)


app = falcon.App()
app.add_route("/invoke", Invoke())
