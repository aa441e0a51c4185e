"""Hooks that keys such as ``initializer`` name: functions of a context, as in FC's settings."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from fcplug import result
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.hookspecs import KEYS
from fcplug.runtime.runtime import Runtime
from fcplug.web.response import Response

Code = Callable[[str, str], Path]
Install = Callable[..., Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

INDEX = """
calls = []

def initializer(context):
    calls.append(f"initializer {context.request_id} {dict(context.settings)}")
    return {"ready": True}

def freeze(context):
    calls.append(f"freeze {context.request_id}")

def stop(context):
    calls.append(f"stop {context.request_id}")

def handler(event, context):
    return calls
"""
ENTRY = {
    "handler": "index.handler",
    "initializer": "index.initializer",
    "pre_freeze": "index:freeze",
    "pre_stop": "index.stop",
    "settings": {"a": 1},
}


def calls_of(runtime: Runtime, context: Context) -> list[str]:
    answer = runtime.invoke(b"", context)
    assert answer.error is None, result.format_error(answer.error)
    calls: list[str] = json.loads(answer.body)
    return calls


def refusal(runtime: Runtime, context: Context) -> PluginError:
    error = runtime.invoke(b"", context).error
    assert isinstance(error, PluginError)
    return error


def test_keys_name_functions_for_the_hooks(code: Code, serve: Serve, called: Called) -> None:
    # 48, 49, 52, 56
    code("index", INDEX)
    runtime = serve(f=ENTRY)
    for _ in range(2):
        answer = runtime.initialize(called("f", request_id="1"))
        assert answer.body == b'{\n    "ready": true\n}'
    assert runtime.pre_freeze(called("f", request_id="2")).error is None
    assert calls_of(runtime, called("f")) == ["initializer 1 {'a': 1}", "freeze 2"]
    assert runtime.pre_stop(called("f", request_id="3")).error is None
    assert calls_of(runtime, called("f", request_id="4"))[2:] == [
        "stop 3",
        "initializer 4 {'a': 1}",  # a stopped function starts again
    ]


def test_the_initializer_runs_before_the_first_invocation_where_fc_sends_none(
    code: Code, serve: Serve, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    code("index", INDEX)
    runtime = serve(f=ENTRY)
    assert calls_of(runtime, called("f", request_id="1")) == ["initializer 1 {'a': 1}"]
    assert [line[:15] for line in capsys.readouterr().out.splitlines()] == [
        "FC Invoke Start",
        "FC Initialize S",
        "FC Initialize E",
        "FC Invoke End R",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "def init(context): return context.request_id",
        "def init(ctx): return ctx.request_id",
        "def init(ctx, more=None): return ctx.request_id",
        "def init(*args): (ctx,) = args; return ctx.request_id",
        "async def init(ctx): return ctx.request_id",
        "init = lambda ctx: ctx.request_id",
        "class Callable:\n  async def __call__(self, ctx): return ctx.request_id\n"
        "init = Callable()",
        "import operator\ninit = operator.attrgetter('request_id')",
        "def init(): return 'the-id'",
        "async def init(): return 'the-id'",
        "class Some:\n  @staticmethod\n  def init(ctx): return ctx.request_id\ninit = Some.init",
    ],
)
def test_a_hook_can_be_any_callable_that_accepts_a_context(
    text: str, code: Code, serve: Serve, called: Called
) -> None:
    code("index", f"def handler(event, context): ...\n{text}")
    runtime = serve(f={"handler": "index.handler", "initializer": "index.init"})
    answer = runtime.initialize(called("f", request_id="the-id"))
    assert (answer.body, answer.error) == (b"the-id", None)


def test_a_failed_initializer_fails_its_call_and_runs_again(
    code: Code, serve: Serve, called: Called
) -> None:
    # 49, 50, 51
    text = """
    tries = []
    def initializer(context):
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")
    def handler(event, context):
        return len(tries)
    """
    code("index", text)
    runtime = serve(f={"handler": "index.handler", "initializer": "index.initializer"})
    first = json.loads(runtime.initialize(called("f")).body)
    assert (first["errorType"], first["errorMessage"]) == ("ConnectionError", "not yet")
    assert first["stackTrace"][-1][2:] == ["in initializer", 'raise ConnectionError("not yet")']
    assert runtime.invoke(b"", called("f")).error is not None
    assert runtime.invoke(b"", called("f")).body == b"3"


def test_middleware_wraps_hooks_that_keys_name(
    code: Code, install: Install, serve: Serve, called: Called
) -> None:
    text = """
    from fcplug import hookimpl
    class Wrap:
        @hookimpl(wrapper=True)
        def initialize(self, context):
            results = yield
            return f"wrapped {results}"
    """
    install("my-dist", {"mine": text}, middleware={"wrap": "mine:Wrap"})
    code("index", INDEX)
    runtime = serve(f={**ENTRY, "middleware": ["wrap"]})
    assert runtime.initialize(called("f")).body == b"wrapped [{'ready': True}]"


def test_the_answer_is_the_keys_hook_even_if_middleware_returns_something_else(
    code: Code, install: Install, serve: Serve, called: Called
) -> None:
    text = """
    from fcplug import hookimpl
    class Also:
        @hookimpl
        def initialize(self, context):
            return "the middleware's"
    """
    install("my-dist", {"mine": text}, middleware={"also": "mine:Also"})
    code("index", INDEX)
    runtime = serve(f={**ENTRY, "middleware": ["also"]})
    assert runtime.initialize(called("f")).body == b'{\n    "ready": true\n}'


def test_a_class_may_have_one_hook_itself_and_another_by_a_key(
    code: Code, serve: Serve, called: Called
) -> None:
    text = """
    from fcplug import hookimpl
    class Handler:
        @hookimpl
        def initialize(self): self.ready = "yes"
        @hookimpl
        def invoke(self): return self.ready
    stopped = []
    def stop(context): stopped.append(1)
    """
    code("index", text)
    runtime = serve(f={"handler": "index:Handler", "pre_stop": "index:stop"})
    assert runtime.invoke(b"", called("f")).body == b"yes"
    assert runtime.pre_stop(called("f")).error is None
    assert __import__("index").stopped == [1]


def test_one_hook_given_both_ways_is_an_error_that_names_both(
    code: Code, serve: Serve, called: Called
) -> None:
    text = """
    from fcplug import hookimpl
    class Handler:
        @hookimpl
        def initialize(self): ...
        @hookimpl
        def invoke(self): ...
    def initializer(context): ...
    """
    file = code("index", text)
    runtime = serve(f={"handler": "index:Handler", "initializer": "index.initializer"})
    error = refusal(runtime, called("f"))
    assert error.error_type == "PluginInvalid"
    assert str(error).splitlines() == [
        "the handler 'index:Handler' has the hook 'initialize' itself, and 'initializer' too",
        f"  in:  initializer 'index.initializer', {file}:8",
        "  fix: remove 'initializer' from functions.yaml, or the hook",
    ]


ODD = """
def handler(event, context): ...
def init(context): ...
def two(a, b): ...
def keyword(*, a): ...
number = 1
"""
REFUSED = {
    "indeks.init": (
        "ImportModuleError",
        "Unable to import module 'indeks': No module named 'indeks'",
        "put indeks.py where Python looks for it",
    ),
    "index.innit": (
        "HandlerNotFound",
        "KEY 'innit' is missing on module 'index' (did you mean 'init'?)",
        "define it there, or correct the name",
    ),
    "nodot": (
        "InvalidHandleName",
        "Invalid KEY 'nodot'",
        "write module:attribute or module.attribute",
    ),
    "index:two": (
        "PluginInvalid",
        "two(a, b) cannot be called with a context",
        "def two(context)",
    ),
    "index:keyword": (
        "PluginInvalid",
        "keyword(*, a) cannot be called with a context",
        "def keyword(context)",
    ),
    "index:number": (
        "PluginInvalid",
        "an object of type int is not a function",
        "name a function: def initializer(context)",
    ),
    "broken.init": (
        "UserCodeError",
        "Module initialization error: 'ZeroDivisionError: division by zero'",
        "correct what the module does when it is imported",
    ),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("reference", REFUSED)
def test_a_key_without_a_usable_hook_has_the_same_errors_as_a_handler(
    key: str, reference: str, code: Code, serve: Serve, called: Called
) -> None:
    code("broken", "1 / 0")
    code("index", ODD)
    error = refusal(serve(f={"handler": "index.handler", key: reference}), called("f"))
    kind, what, fix = REFUSED[reference]
    problem, where, fix_line = str(error).splitlines()
    assert error.error_type == kind
    assert problem.lower().startswith(what.replace("KEY", key).lower())
    assert where.startswith(f"  in:  {key} '{reference}'")
    assert fix_line.startswith(f"  fix: {fix}")


def test_a_key_is_loaded_again_once_its_file_is_corrected(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", "def handler(event, context): return 'here'\n")
    runtime = serve(f={"handler": "index.handler", "initializer": "index.initializer"})
    assert refusal(runtime, called("f")).error_type == "HandlerNotFound"
    code(
        "index",
        "def handler(event, context): return up\ndef initializer(c):\n  global up; up = 1\n",
    )
    assert runtime.invoke(b"", called("f")).body == b"1"


def test_an_entry_point_is_not_a_hook(install: Install, serve: Serve, called: Called) -> None:
    text = "def handler(event, context): ...\ndef init(context): ..."
    install("my-dist", {"mine": text}, handlers={"my": "mine:handler", "init": "mine:init"})
    assert refusal(serve(f={"handler": "my", "initializer": "init"}), called("f")).error_type == (
        "InvalidHandleName"
    )


def test_hooks_named_by_keys_run_in_worker_processes(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", INDEX)
    runtime = serve(f={**ENTRY, "isolation": "process"})
    try:
        assert runtime.initialize(called("f", request_id="1")).body == b'{\n    "ready": true\n}'
        assert runtime.pre_freeze(called("f", request_id="2")).error is None
        assert calls_of(runtime, called("f")) == ["initializer 1 {'a': 1}", "freeze 2"]
        assert runtime.pre_stop(called("f", request_id="3")).error is None
        assert calls_of(runtime, called("f", request_id="4"))[2:] == [
            "stop 3",
            "initializer 4 {'a': 1}",
        ]
    finally:
        assert runtime.stop(20)


def test_keys_name_hooks_beside_an_application_alone(
    code: Code, serve: Serve, called: Called
) -> None:
    text = """
    def application(environ, start_response):
        start_response("200 OK", [])
        return [", ".join(calls).encode()]
    """
    code("index", INDEX + dedent(text))
    entry = {key: ENTRY[key] for key in ("initializer", "pre_freeze", "pre_stop")}
    runtime = serve(f={"wsgi": "index:application", **entry})
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}

    def ask() -> bytes:
        answer = runtime.web(environ, called("f", request_id="1"))
        assert isinstance(answer, Response)
        return b"".join(answer.body)

    assert ask() == b"initializer 1 {}"
    assert runtime.pre_stop(called("f", request_id="2")).error is None
    assert ask() == b"initializer 1 {}, stop 2, initializer 1 {}"
    assert runtime.initialize(called("f")).body == b'{\n    "ready": true\n}'


def test_keys_beside_an_application_are_loaded_again_with_it(
    code: Code, serve: Serve, called: Called
) -> None:
    code("index", "def application(environ, start_response): ...\n")
    runtime = serve(f={"wsgi": "index:application", "initializer": "index:start"})
    assert json.loads(runtime.initialize(called("f")).body)["errorType"] == "HandlerNotFound"
    code("index", "def application(e, s): ...\ndef start(context): return 'up'\n")
    assert runtime.initialize(called("f")).body == b"up"


def test_in_a_worker_calls_and_hooks_run_on_the_main_thread(
    code: Code, serve: Serve, called: Called
) -> None:
    text = """
    import threading
    calls = []
    def call(*_):
        calls.append(threading.current_thread() is threading.main_thread())
        return calls
    """
    code("index", text)
    keys = dict.fromkeys(KEYS, "index.call")
    runtime = serve(f={"handler": "index.call", **keys, "isolation": "process", "timeout": 60})
    try:
        assert runtime.initialize(called("f")).error is None
        assert runtime.pre_freeze(called("f")).error is None
        assert runtime.invoke(b"", called("f")).error is None
        assert runtime.pre_stop(called("f")).error is None
        assert json.loads(runtime.invoke(b"", called("f")).body) == [True] * 6
    finally:
        assert runtime.stop(20)


AWAITABLE = """
import asyncio, functools
from fcplug import hookimpl

def logged(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)
    return call

def adapted(function):
    @functools.wraps(function)
    def call(event, context):
        return function(event, context, "db")
    return call

@logged
async def wrapped(event, context):
    await asyncio.sleep(0)
    return event

@adapted
async def widened(event, context, db):
    return db

def task(event):
    return Promise(event)

class Promise:
    def __init__(self, value):
        self.value = value
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return self.value

class Hooks:
    ready = []
    @hookimpl
    @logged
    async def initialize(self):
        await asyncio.sleep(0)
        self.ready.append("ready")
    @hookimpl
    @logged
    async def invoke(self, event, context):
        await asyncio.sleep(0)
        return self.ready

class Around:
    @hookimpl(wrapper=True)
    def invoke(self, event):
        result = yield
        return [type(result).__name__, *map(str, result)]

@logged
async def initializer(context):
    await asyncio.sleep(0)
    Hooks.ready.append("initializer")

def handler(event):
    return Hooks.ready
"""


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_plain_function_that_returns_an_awaitable_is_awaited(
    code: Code, serve: Serve, called: Called, timeout: float | None
) -> None:
    code("index", AWAITABLE)
    runtime = serve(
        wrapped={"handler": "index:wrapped", "timeout": timeout},
        widened={"handler": "index:widened", "timeout": timeout},
        task={"handler": "index:task", "timeout": timeout},
        around={"handler": "index:Hooks", "middleware": ["index:Around"], "timeout": timeout},
        key={"handler": "index:handler", "initializer": "index:initializer", "timeout": timeout},
    )

    def body(name: str) -> bytes:
        answer = runtime.invoke(b"e", called(name))
        assert answer.error is None, result.format_error(answer.error)
        return answer.body

    assert [body(name) for name in ("wrapped", "widened", "task")] == [b"e", b"db", b"e"]
    assert json.loads(body("around")) == ["list", "ready"]
    assert json.loads(body("key")) == ["ready", "initializer"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("async def handle(event, context):\n    yield event", "handle is an async generator, but"),
        ("def handle(event, context):\n    yield event", "handle is a generator, but an event"),
        (
            "class Handle:\n    async def __call__(self, event):\n        yield event\n"
            "handle = Handle()",
            "an object of type Handle is an async generator, but",
        ),
    ],
)
def test_a_handler_that_yields_is_rejected_with_the_fix(
    code: Code, serve: Serve, called: Called, text: str, what: str
) -> None:
    code("index", text)
    error = refusal(serve(f="index:handle"), called("f"))
    assert error.what.startswith(what)
    assert error.fix.startswith("return the whole result; to stream an answer to a web request, ")
