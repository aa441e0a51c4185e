import importlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fcplug.context import Context
from fcplug.errors import ConcurrencyExceeded, PluginError, UnknownFunction
from fcplug.result import Result
from fcplug.runtime.runtime import Runtime

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

TELLING = """
import importlib
from dataclasses import dataclass
from fcplug import hookimpl

calls = []

@dataclass
class Telling:
    name: str = ""
    fail: str = ""

    def note(self, hook):
        calls.append(f"{hook} {self.name}")
        if hook == self.fail:
            raise OSError(f"{hook} of {self.name}")
        return f"{hook} {self.name}"

    @hookimpl
    def initialize(self): return self.note("initialize")
    @hookimpl
    def invoke(self): return self.note("invoke")
    @hookimpl
    def pre_freeze(self): self.note("pre_freeze")
    @hookimpl
    def pre_stop(self): self.note("pre_stop")

def error(event): raise eval(event.decode())
def deeper(event): return deeper(event)
def exhaust(event): return bytearray(1 << 62)
"""
FAILED = "FC Invoke End RequestId: 1-2, Error: Unhandled function error"


def telling(name: str, fail: str = "") -> dict[str, Any]:
    return {"handler": "telling:Telling", "settings": {"name": name, "fail": fail}}


@pytest.fixture
def calls(code: Code) -> list[str]:
    """Return the list of what was called in the module of TELLING."""
    code("telling", TELLING)
    noted: list[str] = importlib.import_module("telling").calls
    return noted


def document(answer: Result) -> Any:
    assert answer.error is not None
    return json.loads(answer.body)


def test_the_function_that_the_call_names_answers(
    calls: list[str], serve: Serve, called: Called
) -> None:
    runtime = serve(f=telling("f"), g=telling("g"))
    assert runtime.invoke(b"", called("g")) == Result(b"invoke g")
    assert runtime.invoke(b"", called("f")) == Result(b"invoke f")
    assert calls == ["initialize g", "invoke g", "initialize f", "invoke f"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resise",
            "no function 'resise' (did you mean 'resize'?); functions.yaml knows: crop, resize",
        ),
        ("", "the request names no function (x-fc-function-name) and no default is set; "),
    ],
)
def test_a_call_that_leads_nowhere_is_an_error_document(
    calls: list[str], serve: Serve, called: Called, name: str, message: str
) -> None:
    answer = serve(resize=telling("f"), crop=telling("f")).invoke(b"", called(name))
    assert isinstance(answer.error, UnknownFunction)
    assert document(answer)["errorType"] == "UnknownFunction"
    assert document(answer)["errorMessage"].startswith(message)
    assert "stackTrace" not in document(answer)


RAISED = [
    ("error", "ValueError('no')", "ValueError", "no"),
    ("error", "SystemExit(3)", "SystemExit", "3"),
    ("error", "KeyboardInterrupt", "KeyboardInterrupt", ""),
    ("error", "GeneratorExit", "GeneratorExit", ""),
    ("error", "StopIteration('value')", "StopIteration", "value"),
    ("error", "StopAsyncIteration", "StopAsyncIteration", ""),
    ("error", "MemoryError", "MemoryError", ""),
    ("error", "3", "TypeError", "exceptions must derive from BaseException"),
    ("error", "importlib.import_module('absent')", "ModuleNotFoundError", "No module named"),
    ("deeper", "", "RecursionError", "maximum recursion depth exceeded"),
    ("exhaust", "", "MemoryError", ""),
]


@pytest.fixture(params=["alone", "wrapped"])
def raising(request: pytest.FixtureRequest, calls: list[str], code: Code, serve: Serve) -> Runtime:
    code("wraps", "from fcplug import hookimpl\nclass Wraps:\n  @hookimpl(wrapper=True)\n"
         "  def invoke(self): return (yield)\n")  # fmt: skip
    middleware = ["wraps:Wraps"] if request.param == "wrapped" else []
    names = ("error", "deeper", "exhaust")
    return serve(
        **{name: {"handler": f"telling:{name}", "middleware": middleware} for name in names},
        good=telling("good"),
    )


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: f"{raised[2]} by {raised[0]}")
def test_whatever_a_handler_raises_is_an_error_document_and_the_next_call_works(
    raising: Runtime, called: Called, raised: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    # 5, 35, 65
    name, event, kind, message = raised
    answer = raising.invoke(event.encode(), called(name, request_id="1-2"))
    assert type(answer.error).__name__ == kind
    assert document(answer)["errorType"] == kind
    assert document(answer)["errorMessage"].startswith(message)
    files = {frame[0] for frame in document(answer)["stackTrace"]}
    assert not any("pluggy" in file or "/fcplug/" in file for file in files)
    assert capsys.readouterr().out.splitlines()[-1] == FAILED
    assert raising.invoke(b"", called("good")).body == b"invoke good"


def test_a_result_that_is_not_json_is_an_error_document(
    code: Code, serve: Serve, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    # 82
    code("index", "def handle(): return {1, 2}")
    answer = serve(f="index:handle").invoke(b"", called("f", request_id="1-2"))
    assert document(answer)["errorMessage"].startswith(
        "handler 'index:handle': result is a set, which is not JSON serializable: return a list"
    )
    assert document(answer)["errorType"] == "TypeError"
    assert capsys.readouterr().out.splitlines()[-1] == FAILED


def test_more_invocations_than_the_limit_are_answered_with_an_error(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", "import threading\nrunning, gate = threading.Event(), threading.Event()\n"
         "def handle():\n  running.set()\n  gate.wait(60)\n")  # fmt: skip
    index = importlib.import_module("index")
    runtime = serve(f={"handler": "index:handle", "concurrency": 1, "queue": 0})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(runtime.invoke, b"", called("f"))
        assert index.running.wait(60)
        second = runtime.invoke(b"", called("f"))
        index.gate.set()
    assert isinstance(second.error, ConcurrencyExceeded)
    assert document(second)["errorType"] == "ConcurrencyExceeded"
    assert first.result().body == runtime.invoke(b"", called("f")).body == b"null"


ROUTED = """
    version: 1
    functions:
      a: {handler: "telling:Telling", settings: {name: a}}
      b: {handler: "telling:Telling", settings: {name: b}}
      c: {handler: "telling:Telling", settings: {name: c}}
    routes:
      - match: {function: split}
        to: {a: 1, b: 1}
"""


@pytest.fixture
def routed(calls: list[str], serve: Serve) -> Runtime:
    return serve(ROUTED)


@pytest.mark.parametrize(
    "case",
    [
        ({"name": "b"}, "b", b"initialize b"),
        ({"function_handler": "c"}, "c", b"initialize c"),
        ({"name": "split"}, "ab", b""),
        ({}, "abc", b""),
        ({"name": "", "function_handler": "", "qualifier": "LATEST"}, "abc", b""),
    ],
    ids=["named", "named by handler", "split", "none named", "empty headers"],
)
def test_initialize_runs_for_the_functions_that_the_headers_lead_to(
    routed: Runtime, calls: list[str], called: Called, case: tuple[dict[str, str], str, bytes]
) -> None:
    # 48, 49, 54
    headers, initialized, body = case
    for _ in range(2):
        assert routed.initialize(called(**headers)) == Result(body)
    assert calls == [f"initialize {name}" for name in initialized]


def test_initialize_of_an_unknown_function_is_an_error(
    routed: Runtime, calls: list[str], called: Called
) -> None:
    answer = routed.initialize(called("nobody"))
    assert document(answer)["errorType"] == "UnknownFunction"
    assert calls == []


def test_one_function_that_fails_does_not_keep_the_others_from_running(
    calls: list[str], serve: Serve, called: Called, caplog: pytest.LogCaptureFixture
) -> None:
    # 50, 51
    runtime = serve(
        a=telling("a", fail="initialize"),
        absent="absent:handle",
        c=telling("c", fail="pre_freeze"),
        d=telling("d", fail="pre_stop"),
        e=telling("e"),
    )
    answers = [
        phase(called(request_id="1-2"))
        for phase in (runtime.initialize, runtime.pre_freeze, runtime.pre_stop)
    ]
    assert [document(answer)["errorMessage"] for answer in answers] == [
        "initialize of a",
        "pre_freeze of c",
        "pre_stop of d",
    ]
    assert calls == [
        *("initialize a", "initialize c", "initialize d", "initialize e"),
        *("pre_freeze c", "pre_freeze d", "pre_freeze e"),
        *("pre_stop c", "pre_stop d", "pre_stop e"),
    ]
    logged = [record.getMessage().partition("\n")[0] for record in caplog.records]
    assert "Unable to import module 'absent': No module named 'absent'" in logged


def test_what_was_initialized_stays_so_when_others_are_tried_again(
    calls: list[str], serve: Serve, called: Called
) -> None:
    # 51, 52
    runtime = serve(a=telling("a", fail="initialize"), b=telling("b"))
    for _ in range(2):
        assert runtime.initialize(called()).error is not None
    assert calls == ["initialize a", "initialize b", "initialize a"]


def test_stop_runs_what_no_pre_stop_has_run_before(
    routed: Runtime, calls: list[str], called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    assert routed.stop(10)
    assert capsys.readouterr().out == ""
    routed.initialize(called("a"))
    routed.pre_stop(called())
    routed.initialize(called("split"))
    for _ in range(2):
        assert routed.stop(10)
    assert calls[:4] == ["initialize a", "pre_stop a", "initialize a", "initialize b"]
    assert sorted(calls[4:]) == ["pre_stop a", "pre_stop b"]
    assert capsys.readouterr().out.count("FC PreStop Start") == 3


def test_loading_tells_of_each_function_what_it_is_or_what_is_wrong(
    calls: list[str], install: Callable[..., Path], serve: Serve
) -> None:
    install("my-dist", {}, handlers={"telling": "telling:Telling"})
    runtime = serve(f="telling", g="telling:Telling", h="absent:handle")
    (f, g, (name, package, error)) = list(runtime.load(["f", "g", "h"]))
    assert f == ("f", "my-dist 1.2", None)
    assert g == ("g", "", None)
    assert (name, package) == ("h", "")
    assert isinstance(error, PluginError)
    assert error.error_type == "ImportModuleError"
    assert list(runtime.load(["removed"])) == []  # by an edit, while the others were loaded


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, ["a", "b", "c"]),
        ({"FC_FUNCTION_NAME": ""}, ["a", "b", "c"]),
        ({"FC_FUNCTION_NAME": "b"}, ["b"]),
        ({"FC_FUNCTION_NAME": "split"}, ["a", "b"]),
        ({"FC_FUNCTION_NAME": "other", "FC_FUNCTION_HANDLER": "c"}, ["c"]),
        ({"FC_FUNCTION_NAME": "other"}, []),
    ],
)
def test_on_fc_only_the_functions_of_the_instance_are_wanted(
    serve: Serve,
    environ: dict[str, str],
    wanted: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        assert serve(ROUTED, environ=environ).wanted() == wanted
    assert ("no function 'other'" in caplog.text) == (not wanted)


def test_two_hundred_invocations_at_once_keep_their_requests_apart(
    code: Code, serve: Serve, called: Called
) -> None:
    # 60
    code("index", "import logging\ndef handle(event, context):\n"
         "  logging.getLogger('handler').warning('%s', event.decode())\n"
         "  return context.request_id\n")  # fmt: skip
    runtime = serve(f="index:handle")
    ids = [f"1-{number}" for number in range(200)]
    with ThreadPoolExecutor(200) as pool:
        answers = list(
            pool.map(lambda name: runtime.invoke(name.encode(), called("f", request_id=name)), ids)
        )
    assert [answer.body.decode() for answer in answers] == ids
