import contextlib
import importlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fcplug.concurrency.event_loop import EventLoop
from fcplug.concurrency.threads import ThreadPool
from fcplug.config import loader
from fcplug.context import Context
from fcplug.errors import ConcurrencyExceeded, PluginError
from fcplug.plugins.loader import Loader
from fcplug.plugins.shared_hooks import SharedHooks
from fcplug.runtime.function import Function
from support.at_once import at_once

Code = Callable[[str, str], Path]
Called = Callable[..., Context]
MakeFunction = Callable[..., Function]

COUNTING = """
import threading, time
from fcplug import hookimpl

class Counting:
    calls = []  # shared by all objects of the class: tests look at it
    running, gate = threading.Semaphore(0), threading.Event()
    fail = 0
    slow = 0.0

    @hookimpl
    def initialize(self, context):
        self.calls.append("initialize")
        time.sleep(self.slow)
        if Counting.fail:
            Counting.fail -= 1
            raise OSError("not ready")
        return "ready"

    @hookimpl
    def invoke(self, event, context):
        if event == b"fail":
            raise ValueError("asked to")
        if event == b"wait":
            self.running.release()
            self.gate.wait(60)
        return len(self.calls)

    @hookimpl
    def pre_freeze(self):
        self.calls.append("pre_freeze")

    @hookimpl
    def pre_stop(self):
        self.calls.append("pre_stop")
        if Counting.fail:
            raise OSError("cannot stop")
"""


@pytest.fixture
def function(code: Code) -> MakeFunction:
    """Return what makes a function of the class Counting."""
    code("counting", COUNTING)

    def make(handler: str = "counting:Counting", **entry: object) -> Function:
        entries = ", ".join(f"{key}: {value}" for key, value in entry.items())
        text = f'{{version: 1, functions: {{f: {{handler: "{handler}", {entries}}}}}}}'
        parsed = loader.parse(text, "functions.yaml", {})
        spec, plugins = (
            parsed.functions["f"],
            Loader(parsed.document, EventLoop(), {}, SharedHooks()),
        )
        return Function(spec, lambda: plugins.load(spec), ThreadPool(lambda: None))

    return make


def counting_class() -> Any:
    """Return the class whose objects answer, to see how they were called and change how they do."""
    return importlib.import_module("counting").Counting


def test_fifty_invocations_at_once_initialize_once(function: MakeFunction, called: Called) -> None:
    # 52, 53
    counting = function()
    counting_class().slow = 0.05
    assert at_once(50, lambda: counting.invoke(b"", called())) == ["b'1'"] * 50
    assert counting_class().calls == ["initialize"]


def test_initialize_runs_until_it_succeeds_and_then_no_more(
    function: MakeFunction, called: Called
) -> None:
    # 51, 52
    counting = function()
    counting_class().fail = 1
    with pytest.raises(OSError, match="not ready"):
        counting.initialize(called())
    assert not counting.initialized
    assert [counting.initialize(called()) for _ in range(3)] == [b"ready"] * 3
    assert counting.initialized
    assert counting_class().calls == ["initialize", "initialize"]


def test_an_invocation_whose_initialize_fails_is_not_run(
    function: MakeFunction, called: Called
) -> None:
    counting = function()
    counting_class().fail = 1
    with pytest.raises(OSError, match="not ready"):
        counting.invoke(b"", called())
    assert counting.invoke(b"", called()) == b"2"


def test_an_invocation_that_initializes_logs_that_phase_too(
    function: MakeFunction, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    # 63
    counting = function()
    for _ in range(2):
        counting.invoke(b"", called(request_id="1-2"))
    assert capsys.readouterr().out.splitlines() == [
        "FC Initialize Start RequestId: 1-2",
        "FC Initialize End RequestId: 1-2",
    ]


def test_a_function_without_initialize_hooks_logs_none(
    function: MakeFunction, code: Code, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    code("plain", "def handle(event): return event")
    plain = function("plain:handle")
    assert plain.invoke(b"e", called()) == b"e"
    assert plain.initialized
    assert capsys.readouterr().out == ""


def test_stop_runs_once_and_only_after_initialize(function: MakeFunction, called: Called) -> None:
    counting = function()
    counting.pre_freeze(called())
    counting.pre_stop(called())
    counting.load()
    assert counting_class().calls == []
    counting.initialize(called())
    counting.pre_freeze(called())
    at_once(20, lambda: counting.pre_stop(called()))
    counting.pre_freeze(called())
    assert counting_class().calls == ["initialize", "pre_freeze", "pre_stop"]


def test_a_stop_that_fails_is_not_run_again(function: MakeFunction, called: Called) -> None:
    counting = function()
    counting.initialize(called())
    counting_class().fail = 1
    with pytest.raises(OSError, match="cannot stop"):
        counting.pre_stop(called())
    counting.pre_stop(called())
    assert counting_class().calls == ["initialize", "pre_stop"]


def test_an_invocation_after_the_stop_initializes_again(
    function: MakeFunction, called: Called
) -> None:
    counting = function()
    counting.invoke(b"", called())
    counting.pre_stop(called())
    assert counting.invoke(b"", called()) == b"3"
    assert counting_class().calls == ["initialize", "pre_stop", "initialize"]


@contextlib.contextmanager
def waiting(function: Function, count: int, context: Context) -> Iterator[None]:
    """Keep as many invocations of the function running."""
    counting = counting_class()
    with ThreadPoolExecutor(count) as pool:
        for _ in range(count):
            pool.submit(function.invoke, b"wait", context)
            assert counting.running.acquire(timeout=60)
        yield
        counting.gate.set()
    counting.gate.clear()


def test_more_invocations_than_the_limit_are_refused_until_places_come_back(
    function: MakeFunction, called: Called
) -> None:
    # 60
    limited = function(concurrency=3, queue=0)
    for _ in range(2):
        with waiting(limited, 3, called()):
            with pytest.raises(ConcurrencyExceeded) as caught:
                limited.invoke(b"", called())
            assert str(caught.value) == (
                "function 'f' already runs 3 invocations, its concurrency in functions.yaml: "
                "call again later, or raise it"
            )
        assert limited.invoke(b"", called()) == b"1"


def test_invocations_that_fail_give_their_place_back(
    function: MakeFunction, called: Called
) -> None:
    limited = function(concurrency=1)
    counting_class().fail = 2
    for expected in (OSError, OSError, ValueError, ValueError):
        with pytest.raises(expected):
            limited.invoke(b"fail", called())
    assert limited.invoke(b"", called()) == b"3"


def test_a_function_without_a_limit_runs_as_many_as_come(
    function: MakeFunction, called: Called
) -> None:
    unlimited = function()
    with waiting(unlimited, 20, called()):
        assert unlimited.invoke(b"", called()) == b"1"


def test_a_handler_sees_its_own_settings_and_time_limit(
    function: MakeFunction, code: Code, called: Called
) -> None:
    code("seeing", "def handle(context): return dict(context.settings), context.remaining_time()")
    seeing = function("seeing:handle", settings="{a: 1}", timeout=5)
    settings, remaining = json.loads(seeing.invoke(b"", called(function_timeout="60")))
    assert settings == {"a": 1}
    assert 0 < remaining <= 5


@pytest.mark.parametrize(
    ("hook", "answered"),
    [
        ("def initialize(self): yield; return 'mine'", b"mine"),
        ("def initialize(self): yield", b""),
        ("def initialize(self): return (yield)", b"handler's"),
    ],
    ids=["replaced", "not returned", "passed on"],
)
def test_middleware_may_replace_what_initialize_answers(
    function: MakeFunction, code: Code, called: Called, hook: str, answered: bytes
) -> None:
    code("wrapping", f"from fcplug import hookimpl\nclass W:\n  @hookimpl(wrapper=True)\n  {hook}\n"
         "class H:\n  @hookimpl\n  def initialize(self): return b\"handler's\"\n"
         "  @hookimpl\n  def invoke(self): ...\n")  # fmt: skip
    assert function("wrapping:H", middleware="['wrapping:W']").initialize(called()) == answered


def test_callers_that_meet_a_failing_load_share_its_error(
    function: MakeFunction, code: Code, called: Called, tmp_path: Path
) -> None:
    imports = tmp_path / "imports"
    code("broken", "import time\ntime.sleep(1)\n"
         f"with open({str(imports)!r}, 'a') as file: file.write('import ')\n1 / 0\n")  # fmt: skip
    broken = function("broken:handle")
    counting_class()  # imported before, so it stays when the broken module is forgotten

    def invoke() -> str:
        with pytest.raises(PluginError) as caught:
            broken.invoke(b"", called())
        return caught.value.error_type

    assert at_once(20, invoke) == ["UserCodeError"] * 20
    assert imports.read_text() == "import "
    invoke()
    assert imports.read_text() == "import import "
