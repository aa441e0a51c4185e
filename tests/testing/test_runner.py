"""Functions run in this process as in an instance, and nothing of them is left."""

import asyncio
import contextvars
import gc
import io
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fcplug import Context, hookimpl
from fcplug.config import loader
from fcplug.errors import ConfigError, FunctionTimeoutError, PluginError, UnknownFunction
from fcplug.testing import Answer, Runner, make_context
from support.waiting import wait_until

Code = Callable[[str, str], Path]
Install = Callable[..., Path]


@pytest.fixture
def runner() -> Iterator[Runner]:
    with Runner() as runner:
        yield runner


def echo(event: bytes) -> bytes:
    return event


def settings_of(event: bytes, context: Context) -> dict[str, Any]:
    return dict(context.settings)


def fail(event: bytes) -> bytes:
    raise ValueError("no such luck")


@dataclass
class Counter:
    """Counts its calls, and the objects of its class."""

    step: int = 1

    def __post_init__(self) -> None:
        self.count = 0
        self.begun = 0

    @hookimpl
    def initialize(self) -> str:
        self.begun += 1
        return "begun"

    @hookimpl
    def invoke(self, event: bytes) -> list[int]:
        self.count += self.step
        return [self.begun, self.count]


class Shout:
    @hookimpl(wrapper=True)
    def invoke(self) -> Generator[None, str, str]:
        result = yield
        return result.upper()


# what is called


@pytest.mark.parametrize(
    ("event", "sent"),
    [(b"\xff", b"\xff"), ("é", "é".encode()), ({"a": [1]}, b'{"a": [1]}'), (None, b"null")],
)
def test_an_event_is_bytes_or_text_or_json(runner: Runner, event: Any, sent: bytes) -> None:
    assert runner.invoke(echo, event).body == sent


def test_an_event_that_is_none_of_these_is_refused(runner: Runner) -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        runner.invoke(echo, {1})


def test_a_handler_is_named_as_in_the_configuration(runner: Runner, install: Install) -> None:
    install("acme", {"acme": "def handle(event): return 'by name'"}, handlers={"x": "acme:handle"})
    assert runner.invoke("x").text == "by name"
    assert runner.invoke("acme:x").text == "by name"
    assert runner.invoke("acme.handle").text == "by name"


def test_a_handler_may_be_any_object_that_could_be_named(runner: Runner) -> None:
    module = ModuleType("mine")

    def local(event: bytes) -> bytes:
        return event + b" local"

    @hookimpl
    def invoke(event: bytes) -> bytes:
        return event + b" module"

    vars(module)["invoke"] = invoke
    assert runner.invoke(local, "a").text == "a local"
    assert runner.invoke(lambda event: event * 2, "a").text == "aa"
    assert runner.invoke(lambda event: event * 3, "a").text == "aaa"
    assert runner.invoke(module, "a").text == "a module"
    assert runner.invoke(Counter).json() == [1, 1]


def test_the_same_handler_with_the_same_options_is_one_function(runner: Runner) -> None:
    assert [runner.invoke(Counter).json() for _ in range(3)] == [[1, 1], [1, 2], [1, 3]]
    assert runner.invoke(Counter, settings={"step": 5}).json() == [1, 5]
    assert runner.invoke(Counter, settings={"step": 5}, timeout=9).json() == [1, 5]
    assert runner.invoke(Counter, settings={"step": 5}).json() == [1, 10]


def test_options_are_the_keys_of_a_function(runner: Runner) -> None:
    assert runner.invoke(settings_of, settings={"a": [1, None]}).json() == {"a": [1, None]}
    assert runner.invoke(lambda event: event.decode(), "a", middleware=[Shout]).text == "A"
    entry = {"name": Shout}
    assert runner.invoke(lambda event: event.decode(), "a", middleware=[entry]).text == "A"

    def setup(context: Context) -> None:
        print("set up")

    assert "set up" in runner.invoke(echo, initializer=setup).log


def test_a_wrong_option_is_named_with_the_likely_one(runner: Runner) -> None:
    options: Any = {"setings": {}}
    with pytest.raises(ConfigError, match=r"unknown key 'setings' \(did you mean 'settings'\?\)"):
        runner.invoke(echo, **options)
    with pytest.raises(ConfigError, match=r"functions\.echo\.timeout"):
        runner.invoke(echo, timeout=-1)
    with pytest.raises(TypeError, match="not JSON serializable: use texts, numbers"):
        runner.invoke(echo, settings={"a": {1}})


# what is answered


def test_an_answer_has_body_text_json_log_and_duration(runner: Runner) -> None:
    answer = runner.invoke(lambda event: {"a": 1}, context=make_context(request_id="1-2"))
    assert json.loads(answer.text) == answer.json() == {"a": 1}
    assert answer.body == answer.text.encode()
    assert (answer.error, answer.error_document) == (None, None)
    assert answer.log == ["FC Invoke Start RequestId: 1-2", "FC Invoke End RequestId: 1-2"]
    assert 0 <= answer.duration < 60


def test_an_error_is_in_the_answer_as_it_was_raised_and_as_its_document(runner: Runner) -> None:
    answer = runner.invoke(fail)
    assert isinstance(answer.error, ValueError)
    assert answer.error_document is not None
    assert answer.error_document["errorType"] == "ValueError"
    assert answer.error_document == answer.json()
    assert any('raise ValueError("no such luck")' in line for line in answer.log)
    assert "no such luck" in repr(answer)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_no_exception_leaves_a_call(runner: Runner, error: BaseException) -> None:
    def raising(event: bytes) -> bytes:
        raise error

    assert runner.invoke(raising).error is error


def test_a_large_body_is_shown_in_part() -> None:
    shown = repr(Answer(b"x" * 10_000, None, [], 0.0))
    assert "(10000 bytes)" in shown
    assert len(shown) < 400


def test_a_plugin_that_exits_on_import_is_an_answer(runner: Runner, code: Code) -> None:
    code("leaving", "import sys\nsys.exit(3)")
    error = runner.invoke("leaving:handle").error
    assert isinstance(error, PluginError)
    assert "must not exit while it is imported" in str(error)


def test_a_name_that_nobody_offers_is_an_answer_with_the_likely_one(
    runner: Runner, install: Install
) -> None:
    install("acme", {"acme": "def handle(event): ..."}, handlers={"resize": "acme:handle"})
    error = runner.invoke("resise").error
    assert "did you mean 'resize'?" in str(error)


def test_a_deadline_ends_the_wait(runner: Runner) -> None:
    gate = threading.Event()
    answer = runner.invoke(lambda event: gate.wait(60), timeout=0.05)
    gate.set()
    assert isinstance(answer.error, FunctionTimeoutError)


def test_a_plain_handler_finds_an_event_loop_on_every_thread(runner: Runner) -> None:
    def plain(event: bytes) -> Any:
        return asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, "slept"))

    policy = asyncio.get_event_loop_policy() if sys.version_info < (3, 14) else None
    assert runner.invoke(plain).text == "slept"
    assert runner.invoke(plain, timeout=30).text == "slept"
    if sys.version_info < (3, 14):
        assert asyncio.get_event_loop_policy() is policy


def test_an_interrupt_ends_the_wait_for_a_call(runner: Runner) -> None:
    gate = threading.Event()

    def handle(event: bytes) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        gate.wait(60)

    streams, threads = (sys.stdout, sys.stderr), threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        runner.invoke(handle)
    assert (sys.stdout, sys.stderr) == streams
    assert runner.invoke(echo, "again").text == "again"
    gate.set()
    wait_until(lambda: set(threading.enumerate()) <= set(threads))


def test_a_call_runs_on_no_main_thread_as_in_an_instance(runner: Runner) -> None:
    def handle(event: bytes) -> bool:
        return threading.current_thread() is threading.main_thread()

    assert runner.invoke(handle).json() is False
    catching = runner.invoke(lambda event: signal.signal(signal.SIGUSR1, signal.SIG_DFL))
    assert "main thread" in str(catching.error)


# what is logged


def test_the_log_holds_all_that_a_call_wrote(runner: Runner) -> None:
    def handle(event: bytes, context: Context) -> None:
        print("printed", flush=True)
        logging.getLogger("mine").warning("logged")
        context.logger.info("by the context")
        sys.stderr.write("half a line")
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()

    log = runner.invoke(handle, context=make_context(request_id="1-2")).log
    assert [re.sub("^2.*Z ", "", line) for line in log] == [
        "FC Invoke Start RequestId: 1-2",
        "printed",
        "1-2 [WARNING] logged",
        "1-2 [INFO] by the context",
        "from a thread",
        "half a line",
        "FC Invoke End RequestId: 1-2",
    ]


@pytest.mark.parametrize(("level", "count"), [("DEBUG", 2), ("INFO", 1)])
def test_the_level_of_the_log_is_that_of_the_runner(level: Any, count: int) -> None:
    def handle(event: bytes) -> None:
        logging.debug("fine")
        logging.info("coarse")

    with Runner(log_level=level) as runner:
        log = runner.invoke(handle).log
    assert len([line for line in log if "fine" in line or "coarse" in line]) == count


def test_overlapping_calls_have_logs_of_their_own(runner: Runner) -> None:
    together = threading.Barrier(8)

    def handle(event: bytes) -> bytes:
        together.wait(60)
        for number in range(20):
            print(event.decode(), number)
        together.wait(60)
        return event

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: runner.invoke(handle, f"call {n}"), range(8)))
    for number, answer in enumerate(answers):
        assert answer.text == f"call {number}"
        assert answer.log[1:-1] == [f"call {number} {line}" for line in range(20)]


def test_a_log_may_be_read_as_each_call_ends() -> None:
    logs: list[str] = []
    with Runner(on_log=logs.append) as runner:
        runner.invoke(lambda event: print("seen"))
    assert "\nseen\n" in logs[0]


# the context


def test_a_call_has_the_context_that_is_given(runner: Runner) -> None:
    seen: list[Context] = []
    context = make_context(
        request_id="1-2", function_name="thumbs", timeout=3, qualifier="prod", retry_count=2
    )
    runner.invoke(lambda event, context: seen.append(context), context=context)
    (own,) = seen
    assert (own.request_id, own.function.name, own.qualifier) == ("1-2", "thumbs", "prod")
    assert (own.retry_count, own.function.timeout, own.function.memory) == (2, 3, 512)
    assert own.credentials.access_key_secret == "test-access-key-secret"


def test_a_context_begins_when_the_call_does(runner: Runner) -> None:
    context = make_context(timeout=3)
    context._received -= 100
    answer = runner.invoke(lambda event, context: context.remaining_time(), context=context)
    assert 0 < answer.json() <= 3


def test_context_variables_of_the_test_are_seen_and_not_changed(runner: Runner) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("by the test")
    assert runner.invoke(lambda event: variable.get()).text == "by the test"


def test_a_context_that_a_handler_is_called_with_has_settings() -> None:
    context = make_context(settings={"greeting": "Hi"}, function_name="hello")
    assert context.settings == {"greeting": "Hi"}
    assert context.function.name == "hello"
    assert context.request_id != make_context().request_id


def test_a_context_has_no_other_values() -> None:
    values: Any = {"functionname": "f"}
    with pytest.raises(TypeError, match=r"no 'functionname' \(did you mean 'function_name'\?\)"):
        make_context(**values)


# hooks


class Steps:
    steps: list[str] = []

    @hookimpl
    def initialize(self) -> str:
        self.steps.append("initialize")
        return "ready"

    @hookimpl
    def invoke(self, event: bytes) -> None:
        self.steps.append("invoke")

    @hookimpl
    def pre_freeze(self) -> None:
        self.steps.append("pre_freeze")

    @hookimpl
    def pre_stop(self) -> None:
        self.steps.append("pre_stop")


def test_hooks_run_as_the_platform_asks_for_them() -> None:
    Steps.steps.clear()
    with Runner() as runner:
        answer = runner.initialize(Steps)
        assert answer.text == "ready"
        assert answer.log[0].startswith("FC Initialize Start")
        runner.invoke(Steps)
        assert runner.pre_freeze().error is None
        assert runner.stop().log[-1].startswith("FC PreStop End")
        assert runner.stop().error is None
        runner.invoke(Steps)
    first = ["initialize", "invoke", "pre_freeze", "pre_stop"]
    assert Steps.steps == [*first, "initialize", "invoke", "pre_stop"]


def test_a_hook_that_fails_is_an_answer(runner: Runner) -> None:
    class Failing:
        @hookimpl
        def invoke(self, event: bytes) -> None: ...

        @hookimpl
        def pre_stop(self) -> None:
            raise OSError("no")

    runner.invoke(Failing)
    assert isinstance(runner.stop().error, OSError)


def test_a_failed_initialize_runs_again(runner: Runner) -> None:
    class Trying:
        tries = 0

        @hookimpl
        def initialize(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise OSError("not yet")

        @hookimpl
        def invoke(self, event: bytes) -> int:
            return self.tries

    assert isinstance(runner.invoke(Trying).error, OSError)
    assert runner.invoke(Trying).json() == 2


# configurations


def test_the_functions_of_a_file_run_with_their_routes_and_code(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "functions.yaml").write_text(
        """
        version: 1
        functions:
          hello:
            handler: greeting_of_file.handle
            settings: {greeting: "${GREETING:-Hello}"}
        routes:
          - match: {qualifier: old}
            to: hello
        """
    )
    (tmp_path / "greeting_of_file.py").write_text(
        "def handle(event, context): return context.settings['greeting']"
    )
    with Runner.from_file(tmp_path / "config" / "functions.yaml", {"GREETING": "Hi"}) as runner:
        assert repr(runner) == "<Runner of hello>"
        assert runner.invoke("hello").text == "Hi"
        assert runner.invoke("other", context=make_context(qualifier="old")).text == "Hi"
        error = runner.invoke("helo").error
        assert isinstance(error, UnknownFunction)
        assert "did you mean 'hello'?" in str(error)
        with pytest.raises(TypeError, match="holds all options: leave out settings"):
            runner.invoke("hello", settings={})
    assert "greeting_of_file" not in sys.modules
    assert str(tmp_path) not in sys.path


def test_code_folders_may_have_modules_of_one_name(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same_name.py").write_text(f"def handle(event): return {folder!r}")
        file = tmp_path / folder / "functions.yaml"
        file.write_text("version: 1\nfunctions: {f: {handler: same_name.handle}}")
        with Runner.from_file(file) as runner:
            assert runner.invoke("f").text == folder


def test_a_file_that_is_not_there_is_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{tmp_path}/gone.yaml: .*No such file"):
        Runner.from_file(tmp_path / "gone.yaml")


def test_a_wrong_configuration_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"functions\.yaml:2:1: unknown key 'functoins'"):
        Runner.from_text("version: 1\nfunctoins: {}\n")


def test_a_configuration_decides_how_the_log_is_written(code: Code) -> None:
    code("logging_json", "import logging\ndef handle(event): logging.debug('fine')")
    text = """
    version: 1
    runtime: {log_format: json, log_level: DEBUG}
    functions: {f: {handler: "logging_json:handle"}}
    """
    with Runner.from_text(text) as runner:
        (line,) = [line for line in runner.invoke("f").log if "fine" in line]
    assert json.loads(line)["message"] == "fine"


def test_workers_run_as_in_an_instance(code: Code, tmp_path: Path) -> None:
    file = code("in_a_worker", "import os\ndef handle(event): return os.getpid()")
    text = 'version: 1\nfunctions: {f: {handler: "in_a_worker:handle", isolation: process}}'
    with Runner.from_text(text, {**os.environ, "FC_FUNC_CODE_PATH": str(file.parent)}) as runner:
        answer = runner.invoke("f")
        assert answer.error is None, answer.log
        pid = answer.json()
        assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_object_that_no_other_process_can_import_cannot_be_isolated(runner: Runner) -> None:
    options: Any = {"isolation": "process"}
    with pytest.raises(ValueError, match="cannot run '<lambda>', which no module holds"):
        runner.invoke(lambda event: event, **options)


# what is left


class Process:
    """What of the process a runner must give back."""

    def __init__(self) -> None:
        root = logging.getLogger()
        gc.collect()  # closes the files that earlier tests have left to it
        self.state: dict[str, Any] = {
            "streams": (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__),
            "root": ([*root.handlers], root.level, type(logging.getLogger("fcplug"))),
            "mine": vars(logging.getLogger("mine.of.test")).copy() | {"handlers": [], "_cache": {}},
            "mine's handlers": [*logging.getLogger("mine.of.test").handlers],
            "disabled": logging.root.manager.disable,
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "path": [*sys.path],
            "threads": set(threading.enumerate()),
            "descriptors": len(os.listdir("/proc/self/fd")),
        }


def misbehave(event: bytes, context: Context) -> None:
    os.environ["FCPLUG_TEST_LEFT"] = "1"
    os.environ.pop("HOME", None)
    os.chdir("/")
    sys.path.insert(0, "/nowhere")
    logging.basicConfig(force=True, level=logging.DEBUG)
    logging.getLogger("mine.of.test").addHandler(logging.NullHandler())
    logging.getLogger("mine.of.test").setLevel("ERROR")
    logging.disable(logging.ERROR)
    sys.stdout = sys.stderr = io.StringIO()


async def coroutine(event: bytes) -> None: ...


def test_nothing_is_left_of_what_a_handler_did() -> None:
    before = Process().state
    with Runner() as runner:
        assert runner.invoke(misbehave).error is None
        assert runner.invoke(coroutine, timeout=5).error is None
        assert runner.invoke(lambda event: event, timeout=5).error is None
    after = Process().state
    assert after == before


def test_between_calls_the_process_is_the_tests_own_and_in_calls_the_handlers() -> None:
    streams = sys.stdout, sys.stderr
    seen: list[Any] = []

    def configure(event: bytes) -> None:
        logging.getLogger().setLevel("ERROR")
        sys.stdout = sys.stderr

    def look(event: bytes) -> None:
        seen.append((logging.getLogger().level, sys.stdout is sys.stderr))

    with Runner() as runner:
        runner.invoke(configure)
        assert (sys.stdout, sys.stderr) == streams
        assert logging.getLogger().level != logging.ERROR
        runner.invoke(look)
    assert seen == [(logging.ERROR, True)]


def test_what_the_test_itself_changes_stays() -> None:
    try:
        with Runner() as runner:
            runner.invoke(echo)
            os.environ["FCPLUG_TEST_OWN"] = "1"
            runner.invoke(echo)
        assert os.environ["FCPLUG_TEST_OWN"] == "1"
    finally:
        del os.environ["FCPLUG_TEST_OWN"]


def test_modules_of_the_code_are_forgotten_and_others_are_not(
    code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = code("mine.handlers", "import colorsys, mine.parts\ndef handle(event): return 'x'")
    code("mine.__init__", "")
    code("mine.parts", "")
    sys.modules.pop("colorsys", None)
    monkeypatch.setenv("FC_FUNC_CODE_PATH", str(file.parent.parent))
    with Runner() as runner:
        assert runner.invoke("mine.handlers:handle").text == "x"
        assert {"mine", "mine.handlers", "mine.parts"} <= sys.modules.keys()
    assert not [name for name in sys.modules if name.partition(".")[0] == "mine"]
    assert "colorsys" in sys.modules


def test_a_package_that_the_test_has_imported_stays_whole(
    code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = code("mine.handlers", "def handle(event): return 'x'")
    code("mine.__init__", "")
    monkeypatch.setenv("FC_FUNC_CODE_PATH", str(file.parent.parent))
    __import__("mine")
    with Runner() as runner:
        runner.invoke("mine.handlers:handle")
    assert "mine.handlers" in sys.modules


def test_pre_stop_hooks_that_hang_are_reported_when_the_rest_is_undone() -> None:
    gate = threading.Event()

    class Hanging:
        @hookimpl
        def invoke(self, event: bytes) -> None: ...

        @hookimpl
        def pre_stop(self) -> None:
            gate.wait(60)

    before = [*sys.path], sys.stdout
    threads = threading.enumerate()
    runner = Runner(stop_limit=0.1)
    runner.invoke(Hanging)
    with pytest.raises(RuntimeError, match=r"not stopped within 0\.1 s.*Hanging"):
        runner.close()
    assert ([*sys.path], sys.stdout) == before
    gate.set()
    wait_until(lambda: set(threading.enumerate()) <= set(threads))


def test_a_call_that_still_runs_at_the_end_keeps_nothing() -> None:
    inside, gate = threading.Event(), threading.Event()

    def waiting(event: bytes) -> None:
        inside.set()
        gate.wait(60)

    streams = sys.stdout, sys.stderr
    runner = Runner()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(runner.invoke, waiting)
        inside.wait(60)
        runner.close()
        assert (sys.stdout, sys.stderr) == streams
        gate.set()
        assert call.result().error is None
    assert (sys.stdout, sys.stderr) == streams


def test_a_closed_runner_runs_nothing(runner: Runner) -> None:
    runner.close()
    runner.close()
    with pytest.raises(RuntimeError, match="closed"):
        runner.invoke(echo)


def test_a_runner_may_be_used_inside_a_call_of_another(runner: Runner) -> None:
    def outer(event: bytes) -> str:
        print("outer")
        with Runner() as inner:
            answer = inner.invoke(lambda event: print("inner"))
        print("outer again")
        return "\n".join(answer.log)

    answer = runner.invoke(outer)
    assert "inner" in answer.text
    assert answer.log[1:-1] == ["outer", "outer again"]


def test_calls_of_two_runners_cannot_overlap(runner: Runner) -> None:
    inside, gate = threading.Event(), threading.Event()

    def waiting(event: bytes) -> None:
        inside.set()
        gate.wait(60)

    streams = sys.stdout, sys.stderr
    with ThreadPoolExecutor(1) as pool, Runner() as other:
        first = pool.submit(runner.invoke, waiting)
        inside.wait(60)
        with pytest.raises(RuntimeError, match="calls of two runners cannot overlap"):
            other.invoke(echo)
        gate.set()
        assert first.result().error is None
        assert other.invoke(echo, "now").text == "now"
    assert (sys.stdout, sys.stderr) == streams


def test_a_configuration_may_be_given_as_a_value() -> None:
    text = 'version: 1\nfunctions: {f: {handler: "json:dumps"}}'
    config = loader.parse(text, "f.yaml", {})
    with Runner(config) as runner:
        assert isinstance(runner.invoke("g").error, UnknownFunction)


def test_a_runner_says_which_function_and_plugin_would_answer(code: Code) -> None:
    code("answers", "def one(event): return 1\ndef site(environ, start): return []\n")
    text = """\
version: 1
functions:
  one: {handler: answers.one}
  site: {wsgi: "answers:site"}
  broken: {handler: nothing.here}
routes: [{match: {function: alias}, to: one}]
"""
    with Runner.from_text(text) as runner:
        assert runner.answering("alias") == ("one", "answers.one")
        assert runner.answering("site", web=("GET", "/a", (), b"")) == ("site", "answers:site")
        assert runner.answering("broken") == ("broken", "nothing.here")
        assert runner.answering("nobody") == ("", "")
