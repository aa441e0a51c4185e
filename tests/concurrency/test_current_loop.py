"""``asyncio.get_event_loop()`` in plain handlers, as the main thread of FC's runtime has it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="Python 3.14 has no loop on any thread that did not set one"
)

AT_MODULE_LEVEL = """
import asyncio
import threading

LOOP = asyncio.get_event_loop()

async def double(event):
    await asyncio.sleep(0)
    return event * 2

def handle(event, context):
    return asyncio.get_event_loop().run_until_complete(double(event))

def module_level(event, context):
    return LOOP.run_until_complete(double(event))

def after_run(event, context):
    asyncio.run(double(event))  # leaves the thread without a loop
    return handle(event, context)

def closing(event, context):
    loop = asyncio.get_event_loop()
    try:
        return loop.run_until_complete(double(event))
    finally:
        loop.close()

async def coroutine(event, context):
    assert asyncio.get_event_loop() is asyncio.get_running_loop()
    return await double(event)
"""
IN_HANDLER = """
def handle(event, context):
    import asyncio
    async def double():
        await asyncio.sleep(0)
        return event * 2
    loop = asyncio.get_event_loop()
    return loop.run_until_complete(double())
"""
POLICY = """
import asyncio

class Policy(asyncio.DefaultEventLoopPolicy):
    pass

asyncio.set_event_loop_policy(Policy())

def handle(event, context):
    return type(asyncio.get_event_loop_policy()).__module__
"""
NAMES = ("handle", "module_level", "after_run", "closing", "coroutine")


def entries(**more: object) -> str:
    functions = {name: {"handler": f"loops:{name}", **more} for name in NAMES}
    functions["in_handler"] = {"handler": "late:handle", **more}
    return json.dumps({"version": 1, "functions": functions})


@pytest.fixture(params=[{}, {"timeout": 60}, {"isolation": "process"}], ids=str)
def instance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    files = {"loops.py": AT_MODULE_LEVEL, "late.py": IN_HANDLER}
    with start(deploy(tmp_path, entries(**request.param), files)) as running:
        yield running


def test_a_plain_handler_has_an_event_loop_on_every_thread(instance: Instance) -> None:
    for name in ("in_handler", *NAMES, *NAMES):
        answer = instance.invoke(name, b"ab")
        assert (answer.status, answer.body) == (200, b"abab"), (name, answer.body)


def test_a_policy_that_user_code_sets_is_kept(tmp_path: Path) -> None:
    config = json.dumps({"version": 1, "functions": {"f": {"handler": "policy:handle"}}})
    with start(deploy(tmp_path, config, {"policy.py": POLICY})) as running:
        assert running.invoke("f").body == b"policy"
