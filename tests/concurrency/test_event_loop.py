import asyncio
import contextlib
import gc
import importlib
import inspect
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from fcplug.concurrency.event_loop import EventLoop
from fcplug.context import Context, current
from fcplug.errors import ConcurrencyExceeded, FunctionTimeoutError
from fcplug.runtime.runtime import Runtime
from support import deployed
from support.waiting import wait_until

Call = Callable[..., Any]

PATIENCE = 20.0  # seconds after which a test that hangs fails


@pytest.fixture(scope="module")
def loop() -> EventLoop:
    return EventLoop()


async def loop_and_thread() -> tuple[object, str]:
    return asyncio.get_running_loop(), threading.current_thread().name


async def same(*args: object, **kwargs: object) -> object:
    await asyncio.sleep(0)
    return args, kwargs


def test_no_thread_is_started_before_a_coroutine_needs_one() -> None:
    before = threading.active_count()
    EventLoop().synchronous(same)
    assert threading.active_count() == before


def test_a_coroutine_is_called_as_a_plain_function(loop: EventLoop) -> None:
    assert loop.synchronous(same)(1, two=2) == ((1,), {"two": 2})


def test_the_plain_function_has_the_name_and_the_signature_of_the_coroutine(
    loop: EventLoop,
) -> None:
    plain = loop.synchronous(same)
    assert plain.__name__ == "same"
    assert inspect.signature(plain) == inspect.signature(same)
    assert not inspect.iscoroutinefunction(plain)


def test_all_coroutines_run_on_one_loop_in_one_thread(loop: EventLoop) -> None:
    with ThreadPoolExecutor(20) as pool:
        seen = set(pool.map(lambda _: loop.synchronous(loop_and_thread)(), range(100)))
    assert len(seen) == 1
    ((_, thread),) = seen
    assert thread == "fcplug-event-loop"


def test_coroutines_of_many_threads_run_at_once(loop: EventLoop) -> None:
    count = 20
    arrived = 0

    async def meet() -> int:
        nonlocal arrived
        arrived += 1
        while arrived < count:
            await asyncio.sleep(0)
        return arrived

    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(lambda _: loop.synchronous(meet)(), range(count))) == [count] * count


def test_a_coroutine_sees_the_context_variables_of_its_caller(loop: EventLoop) -> None:
    variable: ContextVar[int] = ContextVar("variable")

    async def read() -> int:
        return variable.get()

    def ask(value: int) -> int:
        variable.set(value)
        answer: int = loop.synchronous(read)()
        return answer

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == list(range(40))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("where", ["itself", "task", "gather", "left behind"])
def test_what_a_coroutine_raises_reaches_its_caller_and_nobody_else(
    error: BaseException, where: str
) -> None:
    # 5
    loop = EventLoop()

    async def fail() -> None:
        raise error

    async def leave() -> None:
        await asyncio.wait([asyncio.create_task(fail())])
        raise error

    async def in_a_task() -> None:
        await asyncio.create_task(fail())

    async def gathered() -> None:
        await asyncio.gather(same(), fail())

    raising = {"itself": fail, "task": in_a_task, "gather": gathered, "left behind": leave}[where]
    with pytest.raises(type(error)):
        loop.synchronous(raising)()
    assert loop.synchronous(same)(1) == ((1,), {})


def test_a_coroutine_that_stops_the_loop_stops_nobody() -> None:
    loop = EventLoop()

    async def stop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "went on"

    assert loop.synchronous(stop)() == "went on"
    assert loop.synchronous(same)() == ((), {})


HANDLER = """
import asyncio, logging, sys
from fcplug import hookimpl

class Handler:
    @hookimpl
    async def initialize(self, context):
        self.loop = asyncio.get_running_loop()
        self.lock = asyncio.Lock()

    @hookimpl
    async def invoke(self, event, context):
        async with self.lock:
            await asyncio.sleep(0)
        if event:
            await asyncio.gather(self.exit(event), asyncio.sleep(0))
        logging.getLogger("handler").warning("said by %s", context.request_id)
        return str(self.loop is asyncio.get_running_loop())

    async def exit(self, event):
        sys.exit(event.decode())

    @hookimpl
    async def pre_freeze(self, context):
        self.loop.call_soon(lambda: None)

    @hookimpl
    async def pre_stop(self, context):
        assert self.loop is asyncio.get_running_loop()
        print("stopped", context.request_id)

async def other(event):
    return str(id(asyncio.get_running_loop()))
"""


def test_the_async_hooks_of_all_functions_share_one_loop(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code("index", HANDLER)
    runtime = serve(f="index:Handler", g="index:other", h="index:other")
    assert runtime.invoke(b"", called("f")).body == b"True"
    ids = {runtime.invoke(b"", called(name)).body for name in "gh"}
    assert len(ids) == 1
    assert runtime.pre_freeze(called()).error is None
    assert runtime.pre_stop(called(request_id="1-stop")).error is None
    assert "stopped 1-stop\n" in capsys.readouterr().out


def test_an_async_hook_knows_its_request_and_its_exit_is_an_error_document(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # 5, 60
    code("index", HANDLER)
    runtime = serve(f="index:Handler")

    class Seen:
        def filter(self, record: Any) -> bool:
            context = current.get()
            record.seen = context.request_id if context else None
            return True

    caplog.handler.addFilter(seen := Seen())
    with ThreadPoolExecutor(10) as pool:
        ids = [f"1-{number}" for number in range(30)]
        answers = pool.map(
            lambda name: runtime.invoke(
                b"" if name != "1-7" else b"bye", called("f", request_id=name)
            ),
            ids,
        )
        failed = [answer for answer in answers if answer.error]
    caplog.handler.removeFilter(seen)
    records = [record for record in caplog.records if record.name == "handler"]
    assert len(records) == 29
    assert all(record.getMessage() == f"said by {vars(record)['seen']}" for record in records)
    assert [type(answer.error) for answer in failed] == [SystemExit]
    assert b'"errorMessage": "bye"' in failed[0].body
    assert failed[0].body.decode().count("index.py") == 2  # invoke and exit, nothing of the loop
    assert runtime.invoke(b"", called("f")).body == b"True"


LATE = """
import asyncio, contextlib, time
from fcplug import hookimpl

said = []

@contextlib.asynccontextmanager
async def resource():
    said.append("begun")
    try:
        yield
    finally:
        await asyncio.sleep(0.02)  # clean-up that awaits is not disturbed
        said.append("closed")

async def inner():
    await asyncio.sleep(1000)  # the line where it waits

async def late(event, context):
    async with resource():
        try:
            await inner()
        except asyncio.CancelledError:
            said.append(f"cancelled {context.cancelled}")
            raise

async def children():
    async with resource():
        await asyncio.gather(inner(), inner())

async def deaf():
    while "heard" not in said:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            said.append("deaf")
    return "heard"

def blocking():
    while "go on" not in said:
        time.sleep(0.01)

async def blocks():
    await asyncio.sleep(0)
    blocking()
    return "went on"

async def child_blocks():
    await asyncio.gather(blocks())

async def quick(event):
    await asyncio.sleep(0)
    return event

class Slow:
    @hookimpl(wrapper=True)
    def invoke(self):
        said.append("slow")
        while "go on" not in said:
            time.sleep(0.01)
        return (yield)

class Starts:
    attempts = 0

    @hookimpl
    async def initialize(self, context):
        Starts.attempts += 1
        said.append(context.request_id)
        if context.request_id == "late":
            try:
                await inner()
            finally:
                said.append(f"cancelled {context.cancelled}")

    @hookimpl
    async def invoke(self):
        return str(Starts.attempts)
"""


@pytest.fixture
def said(code: Callable[[str, str], Path]) -> list[str]:
    """Return what the handlers of LATE have said."""
    code("late", LATE)
    module: Any = importlib.import_module("late")
    said: list[str] = module.said
    return said


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hold that asyncio never complains of a task or an exception that was forgotten."""
    yield
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


def entry(name: str, timeout: float = 0.2, **more: Any) -> dict[str, Any]:
    return {"handler": f"late:{name}", "timeout": timeout, **more}


@pytest.mark.parametrize("handler", ["late", "children"])
def test_a_late_coroutine_is_cancelled_cleans_up_and_gives_its_place_back(
    handler: str,
    said: list[str],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = serve(f=entry(handler, concurrency=1))
    while said.count("closed") < 3:
        ended = caplog.text.count("has now raised CancelledError")
        error = runtime.invoke(b"", called("f")).error
        assert isinstance(error, FunctionTimeoutError)
        if "before it began" not in str(error):
            wait_until(lambda: caplog.text.count("has now raised CancelledError") > ended)  # noqa: B023
    assert said.count("begun") == 3
    assert said.count("cancelled True") == (3 if handler == "late" else 0)
    assert "did not end by its deadline" in caplog.text
    if handler == "late":
        assert "in late\n    await inner()" in caplog.text
        assert "await asyncio.sleep(1000)  # the line where it waits" in caplog.text


def test_the_caller_of_a_late_coroutine_reads_that_it_was_cancelled(
    said: list[str], serve: Callable[..., Runtime], called: Callable[..., Context]
) -> None:
    runtime = serve(f=entry("late", timeout=1))

    def answer() -> str:
        return str(runtime.invoke(b"", called("f")).error)

    wait_until(lambda: "before it began" not in answer())
    assert answer() == (
        "function 'f' timed out after 1 second: its coroutine was cancelled where it awaits"
    )


def test_a_coroutine_that_will_not_be_cancelled_is_abandoned_until_it_ends(
    said: list[str],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = serve(f=entry("deaf", concurrency=1), g="late:quick")
    wait_until(lambda: runtime.invoke(b"", called("f")).error and said)
    assert isinstance(runtime.invoke(b"", called("f")).error, ConcurrencyExceeded)
    assert runtime.invoke(b"e", called("g")).body == b"e"
    said.append("heard")
    wait_until(lambda: "abandoned before, has now returned" in caplog.text)
    assert said.count("deaf") == 1  # cancelled once
    assert runtime.invoke(b"", called("f")).body == b"heard"


def test_an_invocation_that_is_late_before_its_coroutine_begins_never_begins_it(
    said: list[str],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = serve(f=entry("late", middleware=["late:Slow"]))
    wait_until(lambda: runtime.invoke(b"", called("f")).error and said)
    said.append("go on")
    wait_until(lambda: caplog.text.count("has now raised CancelledError") == said.count("slow"))
    assert "begun" not in said


def test_an_initialize_that_is_late_is_cancelled_and_those_that_wait_for_it_try_themselves(
    said: list[str],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    runtime = serve(f=entry("Starts", timeout=60))
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(
            runtime.invoke, b"", called("f", request_id="late", function_timeout="2")
        )
        wait_until(lambda: "late" in said)
        patient = called("f", request_id="patient")
        assert runtime.invoke(b"", patient).body == b"2"
        assert isinstance(late.result().error, FunctionTimeoutError)
    assert said == ["late", "cancelled True", "patient"]


@pytest.mark.slow
@pytest.mark.parametrize("handler", ["blocks", "child_blocks"])
def test_code_that_blocks_the_loop_is_reported_with_its_function_and_its_line(
    handler: str,
    said: list[str],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = serve(f=f"late:{handler}", g="late:quick", h=entry("quick"))
    with ThreadPoolExecutor(2) as pool, contextlib.ExitStack() as ended:
        ended.callback(said.append, "go on")
        blocking = pool.submit(runtime.invoke, b"", called("f"))
        wait_until(lambda: "in blocking" in stacks())
        wait_until(lambda: runtime.invoke(b"", called("h")).error and "in blocking" in caplog.text)
        waits = pool.submit(runtime.invoke, b"e", called("g"))
        wait_until(lambda: "function 'f' blocks the event loop" in caplog.text)
    assert blocking.result().error is None
    assert waits.result().body == b"e"
    (reported,) = [text for text in caplog.messages if "blocks the event loop" in text]
    assert "in blocks\n    blocking()\n" in reported
    assert "in blocking\n" in reported
    assert "asyncio" not in reported.partition("It is at:")[2]


def stacks() -> str:
    frames = sys._current_frames().values()
    return "".join(line for frame in frames for line in traceback.format_stack(frame))


def test_a_thread_whose_waiting_is_interrupted_cancels_its_coroutine() -> None:
    loop, ended = EventLoop(), threading.Event()

    async def interrupt() -> None:
        main = threading.main_thread().ident or 0
        try:
            while "_ended.acquire" not in traceback.format_stack(sys._current_frames()[main])[-1]:
                await asyncio.sleep(0.01)
            signal.pthread_kill(main, signal.SIGINT)  # once: a second one could hit anything
            await asyncio.sleep(1000)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        loop.run(interrupt())
    assert ended.wait(PATIENCE)
    assert loop.synchronous(same)(1) == ((1,), {})


def test_cancelling_all_tasks_ends_those_that_have_not_begun_too() -> None:
    loop = EventLoop()
    arrived = threading.Event()

    def cancel_all() -> None:
        for task in asyncio.all_tasks(loop.loop):
            task.cancel()

    async def sweep() -> None:
        arrived.set()
        wait_until(lambda: stacks().count("in wait\n    while not self._ended") == 5)
        asyncio.get_running_loop().call_soon(cancel_all)  # the others are tasks by then, no more

    with ThreadPoolExecutor(5) as pool:
        sweeping = pool.submit(loop.run, sweep())
        assert arrived.wait(PATIENCE)
        others = [pool.submit(loop.run, same()) for _ in range(4)]
        sweeping.result(PATIENCE)
        outcomes = [other.exception(PATIENCE) for other in others]
    assert {type(error) for error in outcomes} == {asyncio.CancelledError}


@pytest.mark.slow
def test_coroutines_that_run_at_sigterm_are_finished(tmp_path: Path) -> None:
    # 13
    module = """
import asyncio

async def handle(event):
    print("begun", flush=True)
    await asyncio.sleep(1)
    return event
"""
    config = "{version: 1, functions: {f: {handler: index.handle, timeout: 60}}}"
    folder = deployed.deploy(tmp_path, config, {"index.py": module})
    with deployed.start(folder) as instance, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(instance.invoke, "f", b"%d" % number) for number in range(4)]
        wait_until(lambda: instance.log.count("begun") == 4)
        assert instance.stop() == 0
        assert [answer.result().body for answer in answers] == [b"0", b"1", b"2", b"3"]
    assert "never" not in instance.log
    assert "destroyed" not in instance.log


def test_closing_cancels_what_runs_and_ends_the_thread() -> None:
    before = threading.enumerate()
    event_loop = EventLoop()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    async def begin() -> "asyncio.Task[None]":
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        return task

    task = event_loop.run(begin())
    assert event_loop.close(10)
    assert ended == ["cancelled"]
    assert task.cancelled()
    assert set(threading.enumerate()) <= set(before)
    assert event_loop.close(10)


def test_a_loop_that_nobody_used_is_closed_at_once() -> None:
    assert EventLoop().close(0)
