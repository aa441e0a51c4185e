"""Wrappers that answer in place of the handler, by a return before their yield."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug import result
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

PLUGINS = """
from fcplug import hookimpl

seen = []

def handle(event):
    seen.append("handler")
    return event.decode()

class Around:
    def __init__(self, name):
        self.name = name

    @hookimpl(wrapper=True)
    def invoke(self):
        seen.append(self.name)
        try:
            answer = yield
        finally:
            seen.append(f"/{self.name}")
        return f"{self.name}({answer})"

class Old:
    @hookimpl(hookwrapper=True)
    def invoke(self):
        outcome = yield
        outcome.force_result(f"old({outcome.get_result()})")

class Answers:
    @hookimpl(wrapper=True)
    def invoke(self, event):
        if event == b"fail":
            raise ValueError("refused")
        if event == b"mine":
            return "answered"
        return (yield)

class Twice:
    @hookimpl(wrapper=True)
    def invoke(self):
        yield
        yield

def what_was_seen():
    return seen
"""


def around(name: str) -> dict[str, object]:
    return {"name": "parts:Around", "settings": {"name": name}}


@pytest.fixture
def runtime(code: Code, serve: Serve) -> Runtime:
    code("parts", PLUGINS)
    return serve(
        f={"handler": "parts:handle", "middleware": [around("a"), "parts:Answers", around("b")]},
        first={"handler": "parts:handle", "middleware": ["parts:Answers", around("b")]},
        old={"handler": "parts:handle", "middleware": ["parts:Old", "parts:Answers"]},
        twice={"handler": "parts:handle", "middleware": ["parts:Twice"]},
        seen={"handler": "parts:what_was_seen"},
    )


@pytest.mark.parametrize(
    ("call", "answer", "seen"),
    [
        (("f", b"mine"), b"a(answered)", ["a", "/a"]),
        (("f", b"x"), b"a(b(x))", ["a", "b", "handler", "/b", "/a"]),
        (("first", b"mine"), b"answered", []),
        (("first", b"x"), b"b(x)", ["b", "handler", "/b"]),
        (("old", b"mine"), b"old(answered)", []),
        (("old", b"x"), b"old(x)", ["handler"]),
    ],
)
def test_a_wrapper_that_returns_early_answers_and_what_is_inside_of_it_does_not_run(
    runtime: Runtime, called: Called, call: tuple[str, bytes], answer: bytes, seen: list[str]
) -> None:
    function, event = call
    answered = runtime.invoke(event, called(function))
    assert answered.error is None, result.format_error(answered.error)
    assert answered.body == answer
    assert json.loads(runtime.invoke(b"", called("seen")).body) == seen


def test_a_wrapper_that_raises_before_its_yield_still_fails_the_call(
    runtime: Runtime, called: Called
) -> None:
    document = json.loads(runtime.invoke(b"fail", called("f")).body)
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "refused")
    assert json.loads(runtime.invoke(b"", called("seen")).body) == ["a", "/a"]


def test_a_wrapper_that_yields_twice_is_named(runtime: Runtime, called: Called) -> None:
    document = json.loads(runtime.invoke(b"x", called("twice")).body)
    assert document["errorMessage"].startswith("the wrapper 'invoke' yields twice")
