import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from fcplug.context import Context, current
from fcplug.eventloop import EventLoop
from fcplug.runtime import Runtime

Call = Callable[..., Any]


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
