"""A Flask application."""

import time
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, g, request, send_file, session, stream_with_context

app = Flask(__name__)
app.secret_key = "not very secret"


@app.get("/hello/<name>")
def hello(name: str) -> str:
    """Greet by path and query."""
    return f"Hello, {name}{request.args.get('mark', '')}"


@app.post("/cart")
def cart() -> dict[str, object]:
    """Count in the session's cookie what a form names."""
    session["items"] = [*session.get("items", []), request.form["item"]]
    context = request.environ["fc.context"]
    return {"items": session["items"], "id": context.request_id}


@app.post("/upload")
def upload() -> str:
    """Tell the size of a file."""
    return str(len(request.files["file"].read()))


@app.get("/file")
def file() -> Response:
    """Send a file."""
    return send_file(__file__, mimetype="text/plain")


@app.get("/events")
def events() -> Response:
    """Send events, the second once the client has the first; the request is there to the end."""

    def stream() -> Iterator[str]:
        yield f"data: {request.args['gate'].rpartition('/')[2]} 1\n\n"
        while not Path(request.args["gate"]).exists():
            time.sleep(0.01)
        yield "data: 2\n\n"
        g.closed = True

    return Response(stream_with_context(stream()), mimetype="text/event-stream")


@app.get("/boom")
def boom() -> str:
    """Fail: the answer is Flask's own."""
    raise ValueError("no such luck")
