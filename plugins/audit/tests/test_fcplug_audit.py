import json
import logging
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import pytest

from fcplug import Context, hookimpl
from fcplug.errors import PluginError
from fcplug.testing import Answer, Runner

SECRET = "secret-of-the-caller"

Contexts = Callable[..., Context]


@pytest.fixture
def context(fc_context: Contexts) -> Context:
    return fc_context(
        request_id="1-67a59f35-150c1267-f381ba1c085c",
        function_name="thumbnails",
        access_key_id=SECRET,
        access_key_secret=SECRET,
        security_token=SECRET,
    )


def records(answer: Answer) -> list[str]:
    """Return the lines that are records, without the runtime's own frame around the call."""
    return [line for line in answer.log if '{"function": ' in line]


def audited(answer: Answer) -> Any:
    """Return the document of the one line."""
    (line,) = records(answer)
    return json.loads(line[line.index("{") :])


def double(event: bytes) -> bytes:
    return event * 2


def fail(event: bytes) -> bytes:
    raise ValueError(f"error-text of {event.decode()}")


def test_an_invocation_is_one_line_of_json_in_a_fixed_order(fc: Runner, context: Context) -> None:
    document = audited(fc.invoke(double, b"abc", middleware=["audit"], context=context))
    milliseconds = document.pop("duration_ms")
    assert 0 <= milliseconds < 60_000
    assert list(document.items()) == [
        ("function", "thumbnails"),
        ("request_id", "1-67a59f35-150c1267-f381ba1c085c"),
        ("outcome", "ok"),
        ("event_bytes", 3),
        ("result_bytes", 6),
    ]


class Spy:
    """A middleware that notes what passes it, the result or the error."""

    def __init__(self) -> None:
        self.passed: list[object] = []

    @hookimpl(wrapper=True)
    def invoke(self) -> Any:
        try:
            result = yield
        except BaseException as error:
            self.passed.append(error)
            raise
        self.passed.append(result)
        return result


@pytest.mark.parametrize(
    ("result", "size"),
    [(b"", 0), (b"\xff\x00", 2), ("", 0), ("阿达", 6), ("\ud800", 3), ({"a": 1}, None), ([], None)],
)
def test_a_result_is_passed_on_untouched_and_sized_as_sent(
    fc: Runner, result: object, size: int | None
) -> None:
    spy = Spy()
    answer = fc.invoke(lambda event: result, middleware=[spy, "audit"])
    assert spy.passed[0] is result
    assert audited(answer)["result_bytes"] == size


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()]
)
def test_an_error_of_any_kind_is_named_and_passed_on(fc: Runner, error: BaseException) -> None:
    def raising(event: bytes) -> bytes:
        raise error

    answer = fc.invoke(raising, middleware=["audit"])
    assert answer.error is error
    document = audited(answer)
    assert document["outcome"] == type(error).__name__
    assert document["result_bytes"] is None


def test_payload_error_text_and_credentials_are_not_logged(fc: Runner, context: Context) -> None:
    answers = [
        fc.invoke(lambda event: "answered-text", b"event-text", middleware=["audit"]),
        fc.invoke(fail, b"event-text", middleware=["audit"], context=context),
    ]
    for answer in answers:
        (line,) = records(answer)
        for word in (SECRET, "***", "answered-text", "event-text", "error-text"):
            assert word not in line


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_level_of_the_lines_is_a_setting(level: str) -> None:
    middleware = [{"name": "audit", "settings": {"level": level}}]
    with Runner(log_level="DEBUG") as runner:
        (line,) = records(runner.invoke(double, middleware=middleware))
    assert f"[{level}]" in line


@pytest.mark.parametrize("level", ["info", "LOUD", "", "NOTSET"])
def test_a_level_that_does_not_exist_is_refused(fc: Runner, level: str) -> None:
    middleware = [{"name": "audit", "settings": {"level": level}}]
    error = fc.invoke(double, middleware=middleware).error
    assert isinstance(error, PluginError)
    what = f"level: {level!r} is not allowed: use DEBUG, INFO, WARNING, ERROR"
    assert f"Audit rejects its settings: {what}" in str(error)


class BrokenLog:
    """A middleware around the audit that breaks its logger."""

    @hookimpl
    def initialize(self) -> None:
        def broken(record: logging.LogRecord) -> bool:
            raise TypeError("the payload was in here")

        logging.getLogger("fcplug.audit").addFilter(broken)


def test_a_broken_log_does_not_fail_the_invocation(fc: Runner, context: Context) -> None:
    answer = fc.invoke(double, b"abc", middleware=[BrokenLog, "audit"], context=context)
    assert answer.body == b"abcabc"
    lost = "fcplug.audit: 1-67a59f35-150c1267-f381ba1c085c not logged: TypeError"
    assert lost in answer.log


def test_a_broken_log_does_not_hide_the_error(fc: Runner) -> None:
    answer = fc.invoke(fail, b"x", middleware=[BrokenLog, "audit"])
    assert isinstance(answer.error, ValueError)
    assert records(answer) == []


def test_without_a_standard_error_a_broken_log_is_silent(fc: Runner) -> None:
    def silent(event: bytes) -> bytes:
        return event

    class NoError:
        @hookimpl(wrapper=True)
        def invoke(self) -> Any:
            with redirect_stderr(None):
                return (yield)

    answer = fc.invoke(silent, b"abc", middleware=[NoError, BrokenLog, "audit"])
    assert answer.body == b"abc"
    assert not [line for line in answer.log if "not logged" in line]
