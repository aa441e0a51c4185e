"""Messages that callers of a function get."""

import json
import re
import shutil
import sys
import threading
from typing import Any

from captured.registry import message
from captured.scene import Scene, Shown
from support.deployed import ROOT, start
from support.waiting import wait_until

HELLO = "functions:\n  hello: {handler: hello.handle}\n"
ECHO = "def handle(event, context):\n    return event\n"
PAGE = "functions:\n  hello: {wsgi: 'hello:page'}\n"


@message("UnknownFunction (404)", "UnknownFunction")
def unknown_function(scene: Scene) -> Shown:
    with scene.runner(HELLO, {"hello": ECHO}) as runner:
        return scene.answer(runner.http("helo"))


@message("ConcurrencyExceeded (429)", "ConcurrencyExceeded")
def too_many_calls(scene: Scene) -> Shown:
    text = "functions:\n  hello: {handler: hello.handle, concurrency: 1, queue: 0}\n"
    code = (
        "import threading\nbegun, done = threading.Event(), threading.Event()\n"
        "def handle(event):\n    begun.set()\n    done.wait(60)\n"
    )
    with scene.runner(text, {"hello": code}) as runner:
        first = threading.Thread(target=runner.http, args=("hello",))
        first.start()
        module = _imported("hello")
        module.begun.wait(60)
        try:
            return scene.answer(runner.http("hello"))
        finally:
            module.done.set()
            first.join(60)


def _imported(name: str) -> Any:
    wait_until(lambda: hasattr(sys.modules.get(name), "handle"))
    return sys.modules[name]


@message("FunctionTimeoutError (504)", "FunctionTimeoutError")
def too_late(scene: Scene) -> Shown:
    code = "import time\ndef handle(event):\n    time.sleep(0.5)\n"
    text = "functions:\n  hello: {handler: hello.handle, timeout: 0.1}\n"
    shown = scene.page(text, hello=code)
    text = re.sub(r"after 0\.\d+ ", "after 0.1 ", shown.text)  # 0.09 where the start was slow
    return shown._replace(text=text.replace("-invoke-0", ""))


@message("KeyError (500)", "RemoteError")
def raised(scene: Scene) -> Shown:
    """Raise in a worker, too: it reports the same."""
    code = "def handle(event):\n    return {}['name']\n"
    isolated = "functions:\n  hello: {handler: hello.handle, isolation: process}\n"
    found = {scene.page(text, hello=code) for text in (HELLO, isolated)}
    assert len(found) == 1
    return found.pop()


@message("InvalidEvent (400)", "InvalidEvent")
def invalid_event(scene: Scene) -> Shown:
    code = (
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Order:\n    item: str\n    count: int\n"
        "def handle(event: Order):\n    return event.item\n"
    )
    with scene.runner(HELLO, {"hello": code}) as runner:
        status = runner.http("hello").status
        event = {"item": "tea", "count": "two"}
        return scene.answer(runner.invoke("hello", event))._replace(status=status)


@message("TypeError (500)", "InvalidResult")
def invalid_result(scene: Scene) -> Shown:
    return scene.page(HELLO, hello="def handle(event):\n    return {'items': {1, 2}}\n")


@message("InvalidResponse (500)", "InvalidResponse")
def invalid_response(scene: Scene) -> Shown:
    return scene.page(HELLO, hello="def handle(event):\n    return {'statusCode': '2OO'}\n")


@message("InvalidResponse of an application (500)", "InvalidResponse")
def invalid_page(scene: Scene) -> Shown:
    code = "def page(environ, start_response):\n    start_response('200 OK', [])\n    return [1]\n"
    return scene.page(PAGE, hello=code)


@message("EventRequestError (404)", "EventRequestError")
def event_for_a_page(scene: Scene) -> Shown:
    code = (
        "def page(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"
    )
    return scene.event(PAGE, hello=code)


@message("LifespanFailed (500)", "LifespanFailed")
def startup_failed(scene: Scene) -> Shown:
    code = (
        "async def page(scope, receive, send):\n    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    return scene.page("functions:\n  hello: {asgi: 'hello:page'}\n", hello=code)


@message("WorkerDied (500)", "WorkerDied")
def worker_died(scene: Scene) -> Shown:
    code = "import os, signal\ndef handle(event):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    text = "functions:\n  hello: {handler: hello.handle, isolation: process}\n"
    return scene.page(text, hello=code)


@message("WorkerUnavailable (500)", "WorkerUnavailable")
def no_worker(scene: Scene) -> Shown:
    text = "functions:\n  hello: {handler: hello.handle, isolation: process, python: /opt/shop}\n"
    return scene.page(text, hello=ECHO)


SERVED = """\
runtime:
  auth: {tokens: [a-token-of-16-characters]}
functions:
  hello: {handler: hello.handle}
"""


def _over_http(heading: str, error: str, method: str, path: str, **fields: str) -> None:
    def provoke(scene: Scene) -> Shown:
        scene.functions(SERVED, {"hello.py": ECHO})
        shutil.copy(ROOT / "bootstrap", scene.folder)
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        with start(scene.folder) as instance:
            answer = instance.call(method, path, b"", sent)
        document = json.loads(answer.body)
        return scene.shown(document["errorMessage"], answer.status, document["errorType"])

    message(heading, *filter(None, [error]))(provoke)


KNOWN = {"authorization": "Bearer a-token-of-16-characters"}
_over_http("Unauthorized (401)", "Unauthorized", "POST", "/invoke")
_over_http("Forbidden (403)", "Forbidden", "POST", "/initialize", **KNOWN)
_over_http("PayloadTooLarge (413)", "", "POST", "/invoke", content_length=str(1 << 30), **KNOWN)
_over_http("HeadersTooLarge (431)", "", "GET", "/", x_long="x" * (1 << 19), **KNOWN)
_over_http("BadRequest (400)", "", "GET", "/", host="two hosts", **KNOWN)
