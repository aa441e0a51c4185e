"""What observers see of the calls of all functions."""

import importlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from fcplug.app import create_app
from fcplug.context import Context
from fcplug.inspection import checker
from fcplug.observerspecs import Call
from fcplug.runtime.runtime import Runtime
from fcplug.web.response import Response
from support.waiting import wait_until

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

WATCH = """
from fcplug import hookimpl

seen, calls, pids = [], [], []

class Watch:
    def __init__(self, prefix: str = ""):
        self.prefix = prefix

    @hookimpl
    def opened(self, processes):
        seen.append(f"{self.prefix}opened {processes}")

    @hookimpl
    def call_received(self, call):
        calls.append(call)
        seen.append(f"received {call.function} {call.kind}")

    @hookimpl
    def call_started(self, call):
        seen.append(f"started {call.function}")

    @hookimpl
    def call_ended(self, call):
        error = type(call.error).__name__ if call.error else call.status or "ok"
        seen.append(f"ended {call.function} {error}")

    @hookimpl
    def function_initialized(self, function, seconds, error):
        seen.append(f"initialized {function} {type(error).__name__ if error else 'ok'}")

    @hookimpl
    def closed(self):
        seen.append("closed")
"""


class Stage:
    """Code that is served under observation.

    Attributes:
        seen: what the observer ``watching:Watch`` was told, as lines.
        calls: the calls that it has seen.
    """

    def __init__(self, serve: Serve, code: Code) -> None:
        self._serve = serve
        self.code = code
        code("watching", WATCH)
        watching: Any = importlib.import_module("watching")
        self.seen: list[str] = watching.seen
        self.calls: list[Call] = watching.calls

    def serve(self, functions: Any, *observers: Any) -> Runtime:
        runtime = {"observers": list(observers or ("watching:Watch",))}
        return self._serve(json.dumps({"version": 1, "runtime": runtime, "functions": functions}))


@pytest.fixture
def stage(serve: Serve, code: Code) -> Stage:
    return Stage(serve, code)


@pytest.fixture
def gated(stage: Stage, tmp_path: Path) -> Path:
    """Return the path that ``app:handle`` waits for."""
    gate = tmp_path / "gate"
    text = """
        import time
        from pathlib import Path
        def handle(event):
            while not Path({!r}).exists():
                time.sleep(0.01)
    """
    stage.code("app", text.format(str(gate)))
    return gate


def test_an_observer_sees_a_call_from_its_arrival_to_its_answer(
    stage: Stage, called: Called
) -> None:
    stage.code("app", "def handle(event):\n    return event\n")
    runtime = stage.serve({"f": {"handler": "app:handle"}})
    assert runtime.invoke(b"x", called("f", request_id="r-1")).body == b"x"
    assert stage.seen == [
        "opened 1", "received f event", "started f", "initialized f ok", "ended f ok",
    ]  # fmt: skip
    assert stage.calls[0].context.request_id == "r-1"
    assert runtime.stop(5)
    runtime.close(5)
    assert stage.seen[-1] == "closed"


def test_an_observer_sees_errors_of_handlers_and_of_initializers(
    stage: Stage, called: Called
) -> None:
    stage.code(
        "app", "def handle(event):\n    raise ValueError\ndef no(context):\n    raise KeyError\n"
    )
    functions = {
        "f": {"handler": "app:handle"},
        "g": {"handler": "app:handle", "initializer": "app:no"},
        "h": {"handler": "missing:handle"},
    }
    runtime = stage.serve(functions)
    for name in functions:
        runtime.invoke(b"", called(name))
    assert [line for line in stage.seen if "ended" in line] == [
        "ended f ValueError", "ended g KeyError", "ended h PluginError",
    ]  # fmt: skip
    assert "initialized g KeyError" in stage.seen


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_an_observer_sees_calls_that_wait_and_that_are_refused(
    stage: Stage, called: Called, gated: Path, isolation: str
) -> None:
    entry = {"handler": "app:handle", "concurrency": 1, "queue": 1, "isolation": isolation}
    runtime = stage.serve({"f": entry})
    threads = [threading.Thread(target=runtime.invoke, args=(b"", called("f"))) for _ in range(2)]
    threads[0].start()
    wait_until(lambda: "started f" in stage.seen)
    threads[1].start()
    function = runtime._snapshot.function("f")
    assert function
    assert function._admission.current
    bulkhead = function._admission.current.bulkhead
    wait_until(lambda: bulkhead and bulkhead.waiting)
    assert type(runtime.invoke(b"", called("f")).error).__name__ == "ConcurrencyExceeded"
    assert "ended f ConcurrencyExceeded" in stage.seen
    assert stage.seen.count("started f") == 1
    gated.touch()
    for thread in threads:
        thread.join()
    assert stage.seen.count("started f") == 2
    assert stage.seen.count("ended f ok") == 2
    first, second = stage.calls[:2]
    assert second.started is not None
    assert first.ended is not None
    assert second.started >= first.ended
    runtime.stop(5)


def test_a_call_whose_time_is_up_ends_then(stage: Stage, called: Called, gated: Path) -> None:
    runtime = stage.serve({"f": {"handler": "app:handle", "timeout": 0.2}})
    runtime.invoke(b"", called("f"))
    assert stage.seen[-1] == "ended f FunctionTimeoutError"
    assert stage.calls[0].timed_out
    gated.touch()


def test_a_copy_for_a_shadow_is_a_call_of_its_own_kind(stage: Stage, called: Called) -> None:
    stage.code("app", "def handle(event):\n    return event\n")
    functions = {"f": {"handler": "app:handle", "shadow": "g"}, "g": {"handler": "app:handle"}}
    runtime = stage.serve(functions)
    runtime.invoke(b"x", called("f"))
    wait_until(lambda: "ended g ok" in stage.seen)
    assert [(call.function, call.kind) for call in stage.calls] == [("f", "event"), ("g", "copy")]
    assert runtime.stop(5)


def test_a_web_request_ends_with_its_body(stage: Stage, called: Called) -> None:
    stage.code(
        "app",
        "def app(environ, start):\n    start('503 No', [])\n    return (b'x' for _ in 'abc')\n",
    )
    runtime = stage.serve({"f": {"wsgi": "app:app"}})
    environ: Any = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": ""}
    answer = runtime.web(environ, called("f"))
    assert isinstance(answer, Response)
    assert "ended f 503" not in stage.seen
    assert b"".join(answer.body) == b"xxx"
    answer.close()
    assert stage.seen[-1] == "ended f 503"


def test_what_an_observer_raises_changes_no_answer_and_is_logged_once(
    stage: Stage, called: Called, caplog: Any
) -> None:
    stage.code(
        "broken",
        """
        from fcplug import hookimpl
        class Broken:
            @hookimpl
            def call_received(self, call):
                raise RuntimeError("received")
            @hookimpl
            def call_ended(self, call):
                raise SystemExit("ended")
        """,
    )
    stage.code("app", "def handle(event):\n    return event\n")
    observers = ("broken:Broken", "watching:Watch")
    runtime = stage.serve({"f": {"handler": "app:handle"}}, *observers)
    for _ in range(3):
        assert runtime.invoke(b"x", called("f")).body == b"x"
    assert stage.seen.count("ended f ok") == 3
    reported = [text for text in caplog.messages if "an observer failed in" in text]
    assert len(reported) == 2


@pytest.mark.parametrize(
    ("observer", "text"),
    [
        ("missing", "no installed package offers the observer 'missing'"),
        ("watching:seen", "has no hooks of an observer"),
        ({"name": "watching:Watch", "settings": {"prefx": "x"}}, "unknown key 'prefx'"),
        ("wrong:Wrong", "unknown hook 'call_begun'"),
    ],
)
def test_an_observer_that_cannot_be_loaded_is_reported_and_left_out(
    stage: Stage, called: Called, caplog: Any, observer: Any, text: str
) -> None:
    stage.code(
        "wrong",
        """
        from fcplug import hookimpl
        class Wrong:
            @hookimpl
            def call_begun(self, call): ...
        """,
    )
    stage.code("app", "def handle(event):\n    return event\n")
    runtime = stage.serve({"f": {"handler": "app:handle"}}, observer)
    assert runtime.invoke(b"x", called("f")).body == b"x"
    assert text in " ".join(caplog.messages)


PAGES = """
from fcplug import hookimpl

def page(environ, start):
    if environ["QUERY_STRING"]:
        raise ValueError("no such page")
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"observed"]

class Pages:
    @hookimpl
    def pages(self):
        return {"/observed": page}
"""


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("GET /observed?", "200 OK", b"observed"),
        ("GET /observed?x", "500 Internal Server Error", b"the log says why"),
        ("GET /other?", "404 Not Found", b"UnknownFunction"),
        ("POST /invoke?", "404 Not Found", b"UnknownFunction"),
    ],
)
def test_an_observer_answers_its_own_paths_and_no_others(
    stage: Stage, caplog: Any, asked: str, status: str, body: bytes
) -> None:
    stage.code("paged", PAGES)
    runtime = stage.serve({"f": {"handler": "app:handle"}, "g": {"handler": "x"}}, "paged:Pages")
    app = create_app(runtime, {}, runtime.config.runtime)
    method, _, target = asked.partition(" ")
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    answer = app(environ, lambda status, *_: statuses.append(status))  # type: ignore[arg-type]
    assert body in b"".join(answer)
    assert statuses == [status]
    assert ("the page /observed failed" in " ".join(caplog.messages)) is bool(query)


def test_the_check_reports_an_observer_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "functions.yaml"
    file.write_text(
        "version: 1\nruntime:\n  observers:\n    - missing\nfunctions:\n  f: {handler: hello}\n"
    )
    found = checker.check(str(file), {}, limit=60, progress=lambda *_: None).findings
    (error,) = [each for each in found if each.severity == "error"]
    assert (error.line, error.rule) == (4, "PluginNotFound")
