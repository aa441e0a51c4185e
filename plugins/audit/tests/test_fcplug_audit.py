import json
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from importlib.metadata import entry_points
from typing import Any

import pluggy
import pytest

from fcplug import Context, hookimpl, hookspecs
from fcplug_audit import Audit

SECRET = "secret-of-the-caller"


class Handler:
    """Answers with what it was made of: a result, or what a function makes of the event."""

    def __init__(self, answer: Callable[[bytes], object]) -> None:
        self.answer = answer

    @hookimpl
    def invoke(self, event: bytes) -> object:
        return self.answer(event)


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def log() -> Iterator[Records]:
    logger = logging.getLogger("fcplug.audit")
    records = Records()
    logger.addHandler(records)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(records)


def invoke(
    answer: Callable[[bytes], object], event: bytes = b"", audit: Audit | None = None
) -> Any:
    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    plugins.register(Handler(answer))
    plugins.register(audit or Audit())
    plugins.check_pending()
    headers = {
        "x-fc-request-id": "1-67a59f35-150c1267-f381ba1c085c",
        "x-fc-function-name": "thumbnails",
        "x-fc-access-key-id": SECRET,
        "x-fc-access-key-secret": SECRET,
        "x-fc-security-token": SECRET,
    }
    return plugins.hook.invoke(event=event, context=Context.from_headers(headers, {}))


def fail(error: BaseException) -> Callable[[bytes], object]:
    def answer(event: bytes) -> object:
        raise error

    return answer


def test_an_invocation_is_one_line_of_json_in_a_fixed_order(log: Records) -> None:
    invoke(lambda event: event * 2, b"abc")
    (line,) = log.lines
    assert "\n" not in line
    document = json.loads(line)
    milliseconds = document.pop("duration_ms")
    assert 0 <= milliseconds < 60_000
    assert list(json.loads(line)) == [
        "function",
        "request_id",
        "outcome",
        "duration_ms",
        "event_bytes",
        "result_bytes",
    ]
    assert document == {
        "function": "thumbnails",
        "request_id": "1-67a59f35-150c1267-f381ba1c085c",
        "outcome": "ok",
        "event_bytes": 3,
        "result_bytes": 6,
    }


@pytest.mark.parametrize(
    ("result", "size"),
    [(b"", 0), (b"\xff\x00", 2), ("", 0), ("阿达", 6), ("\ud800", 3), ({"a": 1}, None), ([], None)],
)
def test_a_result_is_passed_on_untouched_and_sized_as_sent(
    log: Records, result: object, size: int | None
) -> None:
    assert invoke(lambda event: result) is result
    assert json.loads(log.lines[0])["result_bytes"] == size


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()]
)
def test_an_error_of_any_kind_is_named_and_passed_on(log: Records, error: BaseException) -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - its identity is what counts
        invoke(fail(error))
    assert caught.value is error
    document = json.loads(log.lines[0])
    assert document["outcome"] == type(error).__name__
    assert document["result_bytes"] is None


def test_payload_error_text_and_credentials_are_not_logged(log: Records) -> None:
    invoke(lambda event: "answered-text", b"event-text")
    with pytest.raises(ValueError, match="error-text"):
        invoke(fail(ValueError("error-text")), b"event-text")
    for record in log.records:
        everything = repr(vars(record)) + record.getMessage()
        assert record.exc_info is None
        for word in (SECRET, "answered-text", "event-text", "error-text"):
            assert word not in everything


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_level_of_the_lines_is_a_setting(log: Records, level: str) -> None:
    invoke(lambda event: event, audit=Audit(level=level))
    assert [record.levelname for record in log.records] == [level]


@pytest.mark.parametrize("level", ["info", "LOUD", "", "NOTSET"])
def test_a_level_that_does_not_exist_is_refused(level: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as caught:
        Audit(level=level)
    assert str(caught.value) == (
        f"level: {level!r} is not allowed: use DEBUG, INFO, WARNING, ERROR"
    )


def broken_filter(record: logging.LogRecord) -> bool:
    raise TypeError("the payload was in here")


def test_a_broken_log_does_not_fail_the_invocation(
    log: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    log.addFilter(broken_filter)
    assert invoke(lambda event: event, b"abc") == b"abc"
    assert capsys.readouterr().err == (
        "fcplug.audit: 1-67a59f35-150c1267-f381ba1c085c not logged: TypeError\n"
    )


def test_a_broken_log_does_not_hide_the_error(log: Records) -> None:
    log.addFilter(broken_filter)
    with pytest.raises(ValueError, match=r"^no$"):
        invoke(fail(ValueError("no")))


def test_without_a_standard_error_a_broken_log_is_silent(log: Records) -> None:
    log.addFilter(broken_filter)
    with redirect_stderr(None):
        assert invoke(lambda event: event, b"abc") == b"abc"


def test_the_package_offers_the_middleware_audit() -> None:
    (offered,) = entry_points(group="fcplug.middleware", name="audit")
    assert offered.load() is Audit
