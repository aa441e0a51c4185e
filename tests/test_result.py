import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fcplug import result
from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.identity import Credentials
from fcplug.runtime.runtime import Runtime

NO_KEYS = Credentials()
KEYS = Credentials("STS.the-id", "the-secret", "CAIS-the-token")


def raised(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def document(error: BaseException, keys: Credentials = NO_KEYS) -> Any:
    failure = result.failure(error, keys)
    assert failure.error is error
    return json.loads(failure.body)


def test_an_error_document_is_as_fc_writes_it(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    # 35
    file = code(
        "index", "def handle(event, context):\n    fail()\ndef fail():\n    raise ValueError('no')"
    )
    body = serve(f="index.handle").invoke(b"", called("f")).body.decode()
    assert body == json.dumps(
        {
            "errorMessage": "no",
            "errorType": "ValueError",
            "stackTrace": [
                [f'File "{file}"', "line 2", "in handle", "fail()"],
                [f'File "{file}"', "line 4", "in fail", "raise ValueError('no')"],
            ],
        },
        indent=4,
    )


def test_an_error_without_frames_has_no_stack_trace() -> None:
    assert document(ValueError("no")) == {"errorMessage": "no", "errorType": "ValueError"}


def test_a_load_error_has_a_flat_stack_trace() -> None:
    error = PluginError("ImportModuleError", "Unable to import module 'x'", causes=["one", "two"])
    assert document(error) == {
        "errorMessage": "Unable to import module 'x'",
        "errorType": "ImportModuleError",
        "stackTrace": ["one", "two"],
    }


def test_source_that_cannot_be_had_is_an_empty_line() -> None:
    error = raised(lambda: exec("raise ValueError('no')"))
    assert document(error)["stackTrace"][-1] == ['File "<string>"', "line 1", "in <module>", ""]


class BadText(Exception):
    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text()


def leave() -> str:
    sys.exit("from __str__")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda: 1 / 0, "<BadText whose text cannot be read: ZeroDivisionError>"),
        (leave, "<BadText whose text cannot be read: SystemExit>"),
        (lambda: 3, "<BadText whose text cannot be read: TypeError>"),
        (lambda: "\ud800", "\ud800"),
    ],
    ids=["raises", "exits", "no text", "surrogate"],
)
def test_an_exception_whose_text_fails_is_reported_all_the_same(
    text: Callable[[], str], message: str
) -> None:
    error = raised(lambda: exec("raise error", {"error": BadText(text)}))
    assert document(error)["errorMessage"] == message
    assert result.message_of(error) == message
    assert result.summary(error) == f"BadText: {message}"
    assert "BadText" in result.format_error(error)


def test_an_exception_without_text_is_reported_by_its_class() -> None:
    assert result.summary(KeyboardInterrupt()) == "KeyboardInterrupt"


def fail_twice() -> None:
    try:
        raise KeyError("first")
    except KeyError as error:
        raise OSError("second") from error


def fail_in_handler() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise OSError("second")  # noqa: B904 - an implicit context


@pytest.mark.parametrize("work", [fail_twice, fail_in_handler])
def test_the_log_tells_the_whole_chain(work: Callable[[], None]) -> None:
    text = result.format_error(raised(work))
    assert text.index("KeyError: 'first'") < text.index("OSError: second")
    assert text.count("Traceback (most recent call last):") == 2
    assert document(raised(work))["errorMessage"] == "second"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_the_log_tells_every_exception_of_a_group(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", "import asyncio\nasync def one(): raise KeyError('one')\n"
         "async def two(): raise OSError('two')\nasync def handle():\n"
         "  async with asyncio.TaskGroup() as group:\n"
         "    group.create_task(one())\n    group.create_task(two())\n")  # fmt: skip
    answer = serve(f="index:handle").invoke(b"", called("f"))
    assert json.loads(answer.body)["errorType"] == "ExceptionGroup"
    assert answer.error is not None
    text = result.format_error(answer.error)
    assert "KeyError: 'one'" in text
    assert "OSError: two" in text
    assert "/fcplug/" not in text
    assert "pluggy" not in text


def test_the_log_tells_our_frames_only_where_there_are_no_others(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    code("index", "def outer(event):\n  raise ValueError('theirs')\nhandle = bytes.decode\n")
    runtime = serve(f="index:outer", g="index:handle")
    theirs, ours = (runtime.invoke(b"\xff", called(name)).error for name in "fg")
    assert theirs is not None
    assert ours is not None
    assert "fcplug" not in result.format_error(theirs)
    assert "in invoke\n" in result.format_error(ours)


@pytest.mark.parametrize("secret", KEYS.__struct_fields__)
def test_the_keys_of_the_call_are_in_no_part_of_an_error_document(secret: str) -> None:
    value = getattr(KEYS, secret)
    error = raised(lambda: exec("raise ValueError(f'{value}: wrong')", {"value": value}))
    assert document(error, KEYS)["errorMessage"] == "***: wrong"
    load_error = PluginError("UserCodeError", "text", causes=[f"ValueError: {value}"])
    assert document(load_error, KEYS)["stackTrace"] == ["ValueError: ***"]


def test_keys_in_the_source_of_a_frame_are_masked(code: Callable[[str, str], Path]) -> None:
    code("index", "def handle():\n    raise ValueError('the-secret')\n")
    index = importlib.import_module("index")
    body = result.failure(raised(index.handle), KEYS).body.decode()
    assert "the-secret" not in body
    assert "raise ValueError('***')" in body


@pytest.mark.parametrize("safe", ["", "/", "+/"])
def test_keys_in_a_signed_url_are_masked(safe: str) -> None:
    keys = Credentials("STS.the-id", "the/secret+1", "CAIS+the/token==ü")
    for secret in (keys.access_key_secret, keys.security_token):
        escaped = quote(secret, safe=safe)
        for text in (escaped, re.sub("%..", lambda found: found[0].lower(), escaped)):
            url = f"100% of https://b/k%20?t={text}&x=%2B"
            assert result.redacted(url, keys) == "100% of https://b/k%20?t=***&x=%2B"


def test_empty_and_very_short_keys_mask_nothing() -> None:
    assert result.redacted("a b abc", Credentials("", "a", "abc")) == "a b abc"
    assert result.redacted({"k": ["abcd"]}, Credentials("", "", "abcd")) == {"k": ["***"]}


@pytest.mark.parametrize(
    ("file", "own"),
    [
        (result.__file__, True),
        (str(Path(result.__file__).parent / "server" / "loop.py"), True),
        ("<frozen importlib._bootstrap>", True),
        (__file__, False),
        ("/code/fcplug_hello.py", False),
        ("<string>", False),
        (json.__file__, False),
    ],
)
def test_a_file_is_the_runtime_s_own_or_the_author_s(file: str, own: bool) -> None:
    assert result.is_own_file(file) == own


def test_endless_recursion_is_reported_by_its_first_and_last_frames() -> None:
    def first() -> None:
        deeper()

    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as caught:
        first()
    trace = json.loads(result.failure(caught.value, Credentials()).body)["stackTrace"]
    assert len(trace) == 100
    assert [trace[1][2], trace[-1][2]] == ["in first", "in deeper"]


def long_error(text: str) -> BaseException:
    return raised(lambda: exec("raise ValueError(text)", {"text": text}))


@pytest.mark.parametrize("text", ["x" * 11_000_000, "\U0001f600" * 11_000_000], ids=["x", "emoji"])
def test_an_error_document_stays_below_32_kib(text: str) -> None:
    body = result.failure(long_error(text), NO_KEYS).body
    assert len(body) < 32 * 1024
    message = json.loads(body)["errorMessage"]
    assert message.startswith(text[:300])
    assert message.endswith("... (11000000 characters)")


def test_long_causes_and_sources_are_cut_in_an_error_document(
    code: Callable[[str, str], Path],
) -> None:
    causes = ["\U0001f600" * 1000] * 1000
    error = PluginError("UserCodeError", "no", causes=causes)
    assert len(result.failure(error, NO_KEYS).body) < 32 * 1024
    code("index", f"def handle(): raise ValueError('{'x' * 100_000}')\n")
    body = result.failure(raised(importlib.import_module("index").handle), NO_KEYS).body
    assert len(body) < 32 * 1024
    assert json.loads(body)["stackTrace"][-1][2] == "in handle"


def test_no_part_of_a_key_is_left_where_a_long_text_is_cut() -> None:
    for before in range(15_980, 16_001):
        body = result.failure(long_error("x" * before + "the-secret"), KEYS).body
        assert b"the-" not in body


WRAPPED = """
from fcplug import hookimpl

class Passing:
    @hookimpl(wrapper=True)
    def invoke(self, event, context):
        return (yield)

class Raising:
    @hookimpl(wrapper=True)
    def invoke(self, event, context):
        try:
            return (yield)
        except ValueError as error:
            fail(error)

def fail(error):
    raise KeyError("own") from error

def handle(event):
    raise ValueError("theirs")

async def handle_async(event):
    raise ValueError("theirs")
"""


@pytest.mark.parametrize("handler", ["handle", "handle_async"])
def test_middleware_that_passes_an_error_on_is_in_no_trace(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    handler: str,
) -> None:
    code("index", WRAPPED)
    passing = "index:Passing"

    def trace(middleware: list[str]) -> tuple[list[str], str]:
        runtime = serve(f={"handler": f"index:{handler}", "middleware": middleware})
        answer = runtime.invoke(b"", called("f"))
        assert answer.error
        frames = json.loads(answer.body)["stackTrace"]
        return [frame[2] for frame in frames], result.format_error(answer.error)

    names, log = trace([passing, passing])
    assert names == [f"in {handler}"]
    assert "yield" not in log
    names, log = trace([passing, "index:Raising", passing])
    assert names == ["in invoke", "in fail"]
    assert log.count("(yield)") == 0
    assert log.count("fail(error)") == 1
    assert "raise ValueError" in log


class _FalseError(Exception):
    def __len__(self) -> int:
        return 0


def test_a_cause_that_is_false_as_a_condition_is_a_cause() -> None:
    error = PluginError("PluginInvalid", "it is wrong", fix="correct it")
    error.__cause__ = _FalseError("the cause")
    assert any("the cause" in line for line in result.causes_of(error))
    assert "the cause" in result.format_error(error)
