"""With ``phases: app``, an application that is a custom runtime receives all phases."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from fcplug.config import loader
from fcplug.errors import ConfigError
from support.deployed import Answer, Instance, deploy, start

FLASK = """\
from flask import Flask, request

app = Flask(__name__)
calls = []

def note():
    calls.append(request.headers["x-fc-request-id"])
    print("in the application", request.method, request.path)

@app.post("/initialize")
def initialize():
    note()
    if request.headers.get("x-broken"):
        raise SystemExit("no such luck")
    return "", 201, {"x-fc-status": "404" if request.headers.get("x-fail") else "200"}

@app.post("/invoke")
def invoke():
    note()
    return request.data + b" after " + ",".join(calls).encode()

@app.get("/pre-stop")
def pre_stop():
    note()
    return "stopped", 200

@app.get("/page")
def page():
    return "page"
"""
FASTAPI = """\
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request, Response

calls = []

@asynccontextmanager
async def lifespan(app):
    print("started up", flush=True)
    yield
    print("shut down", flush=True)

app = FastAPI(lifespan=lifespan)

def note(request):
    calls.append(request.headers["x-fc-request-id"])
    print("in the application", request.method, request.url.path)

@app.post("/initialize", status_code=201)
async def initialize(request: Request, response: Response):
    note(request)
    if request.headers.get("x-broken"):
        raise SystemExit("no such luck")
    response.headers["x-fc-status"] = "404" if request.headers.get("x-fail") else "200"

@app.post("/invoke")
async def invoke(request: Request):
    note(request)
    return Response(await request.body() + b" after " + ",".join(calls).encode())

@app.get("/pre-stop")
async def pre_stop(request: Request):
    note(request)
    return Response("stopped")

@app.get("/page")
async def page():
    return Response("page")
"""
APPLICATIONS = {"wsgi": FLASK, "asgi": FASTAPI}
CONFIG = """\
version: 1
functions:
  shop: {%s: server.app, %s}
  other: {handler: other.handler, initializer: other.start}
"""
OTHER = """\
def start(context): print("other started")
def handler(event, context): return event
"""
Running = Callable[[str], AbstractContextManager[Instance]]


@pytest.fixture(params=["wsgi", "asgi"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def running(tmp_path: Path, kind: str) -> Running:
    @contextmanager
    def run(keys: str) -> Iterator[Instance]:
        code = deploy(
            tmp_path,
            CONFIG % (kind, keys),
            {"server.py": APPLICATIONS[kind], "other.py": OTHER},
        )
        with start(code, environ={"FC_FUNCTION_NAME": "shop"}) as instance:
            yield instance

    return run


def ask(
    instance: Instance, method: str, path: str, *, function: str = "shop", **more: str
) -> Answer:
    headers = {
        "x-fc-function-name": function,
        "x-fc-request-id": path.strip("/"),
        "x-fc-control-path": path,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return instance.call(method, path, b"event" if path == "/invoke" else None, headers)


@pytest.mark.parametrize("keys", ["phases: app", "phases: app, timeout: 60",
                                  "phases: app, isolation: process"])  # fmt: skip
def test_all_phases_reach_an_application_that_asks_for_them(
    running: Running, kind: str, keys: str
) -> None:
    with running(keys) as instance:
        before = len(instance.log)
        assert ask(instance, "POST", "/initialize").status == 201
        assert ask(instance, "POST", "/invoke").body == b"event after initialize,invoke"
        answer = ask(instance, "GET", "/pre-stop")
        assert (answer.status, answer.body) == (200, b"stopped")
        assert answer.headers["x-fc-status"] == "200"
        assert ask(instance, "GET", "/pre-freeze").status == 404  # it has no route for it
        assert ask(instance, "GET", "/page", x_fc_control_path="/http-invoke").body == b"page"
        log = instance.log[before:]
        for line in ("POST /initialize", "POST /invoke", "GET /pre-stop"):
            assert f"in the application {line}\n" in log
        for name, request_id in (("Initialize", "initialize"), ("Invoke", "invoke"),
                                 ("PreStop", "pre-stop")):  # fmt: skip
            assert log.count(f"FC {name} Start RequestId: {request_id}\n") == 1
            assert f"FC {name} End RequestId: {request_id}\n" in log
        assert ("started up" in log) == (kind == "asgi")
        assert "other started" not in log
        assert ask(instance, "POST", "/initialize", function="other").status == 200
        assert ask(instance, "POST", "/invoke", function="other").body == b"event"
        assert "phases: app" not in instance.log


def test_fc_receives_an_applications_own_answer_to_initialize(
    running: Running,
) -> None:
    with running("phases: app") as instance:
        answer = ask(instance, "POST", "/initialize", x_fail="1")
        assert (answer.status, answer.headers["x-fc-status"]) == (201, "404")
        answer = ask(instance, "POST", "/initialize", x_broken="1")
        # never 500, at which FC restarts the instance
        assert (answer.status, answer.headers["x-fc-status"]) == (404, "404")
        assert json.loads(answer.body)["errorType"] == "SystemExit"


def test_a_phase_that_an_application_does_not_see_is_noted_once(
    running: Running, kind: str
) -> None:
    with running("timeout: 60") as instance:
        for _ in range(2):
            assert ask(instance, "POST", "/initialize").status == 200
            assert ask(instance, "GET", "/pre-stop").status == 200
        who = "its lifespan" if kind == "asgi" else "the application was not called"
        for path in ("/initialize", "/pre-stop"):
            lines = [line for line in instance.log.splitlines() if f"'shop': {path} was" in line]
            (line,) = lines
            assert who in line
            assert "set phases: app" in line
        document = json.loads(ask(instance, "POST", "/invoke").body)
        assert document["errorType"] == "EventRequestError"
        assert "phases: app" in document["errorMessage"]


@pytest.mark.parametrize(
    ("runtime", "entry", "problem"),
    [
        ("{}", "{handler: a.b, phases: app}", "functions.f.phases: app needs wsgi or asgi"),
        ("{}", "{handler: a.b, wsgi: a.c, phases: app}", "functions.f.handler: phases: app gives"),
        ("{}", "{wsgi: a.c, pre_stop: a.d, phases: app}", "functions.f.pre_stop: phases: app"),
        ("{processes: 2}", "{wsgi: a.c, phases: app}", "reach only one of runtime.processes"),
        ("{}", "{asgi: a.c, phases: app, isolation: process, workers: 2}", "one of its workers"),
    ],
)
def test_keys_that_conflict_with_phases_of_the_application_are_an_error(
    runtime: str, entry: str, problem: str
) -> None:
    text = f"version: 1\nruntime: {runtime}\nfunctions:\n  f: {entry}\n"
    with pytest.raises(ConfigError) as caught:
        loader.parse(text, "functions.yaml", {})
    assert problem in str(caught.value)
