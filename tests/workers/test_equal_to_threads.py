"""A worker gives the same documents, log and output as a thread."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fcplug import logs, result
from fcplug.config.loader import parse
from fcplug.context import Context
from fcplug.errors import PluginError, RemoteError
from fcplug.runtime.runtime import Runtime
from support.isolated import CODE, NAME, act, call, isolated

RAISED = (
    "SystemExit",
    "KeyboardInterrupt",
    "GeneratorExit",
    "StopIteration",
    "MemoryError",
    "TimeoutError",
    "EOFError",
    "ConnectionResetError",
    "BaseException",
)
KEYS = {
    "x-fc-access-key-id": "STS.TheKeyId",
    "x-fc-access-key-secret": "the-secret-of-the-call",
    "x-fc-security-token": "the-token-of-the-call",
}
CONTEXT = {
    **KEYS,
    "x-fc-request-id": "1-2-3",
    "x-fc-function-name": NAME,
    "x-fc-function-handler": "index.handler",
    "x-fc-function-memory": "not a number",
    "x-fc-function-timeout": "33",
    "x-fc-region": "cn-hangzhou",
    "x-fc-retry-count": "2",
    "x-fc-tracing-opentracing-span-context": "span",
    "x-fc-tracing-opentracing-span-baggages": "eyJhIjogImIifQ==",
}
ENVIRONMENT = {"FC_FUNCTION_MEMORY_SIZE": "512", "FC_ACCOUNT_ID": "42", "OTHER": "not this one"}


@pytest.fixture(autouse=True)
def _code_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(CODE)


def in_thread(handler: str, event: bytes, context: Context) -> tuple[bytes, BaseException | None]:
    """Return what the runtime answers without isolation."""
    entry = {"handler": handler, "settings": {"mark": "m"} if "whoami" in handler else {}}
    text = json.dumps({"version": 1, "functions": {NAME: entry}, "default": NAME})
    answer = Runtime(parse(text, "functions.yaml", {}), {}).invoke(event, context)
    return answer.body, answer.error


@pytest.mark.parametrize(
    "event",
    [
        "fail because",
        "fail_in_a_group",
        "fail_unprintably",
        "fail_with_a_surrogate",
        "fail_at_length 100000",
        "unserializable",
        f"leak_the_keys {KEYS['x-fc-access-key-secret']}",
        f"leak_a_key_where_the_text_is_cut {KEYS['x-fc-access-key-secret']}",
        "no_such_action",
        *(f"fail_as {name}" for name in RAISED),
    ],
)
def test_an_exception_is_reported_as_in_a_thread(
    event: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = "worker_functions:act"
    with caplog.at_level(logging.ERROR, "fcplug"):
        document, _ = in_thread(handler, event.encode(), call(KEYS))
    with isolated(handler) as workers, pytest.raises(RemoteError) as caught:
        workers.invoke(event.encode(), call(KEYS))
    assert result.failure(caught.value, call(KEYS).credentials).body == document
    assert result.format_error(caught.value) == caplog.records[-1].getMessage()
    assert b"the-sec" not in document


def test_an_endless_recursion_is_an_error_of_its_handler() -> None:
    with isolated() as workers, pytest.raises(RemoteError) as caught:
        act(workers, "recurse")
    assert caught.value.error_type == "RecursionError"
    assert len(caught.value.causes) == 100


@pytest.mark.parametrize(
    ("handler", "entry"),
    [
        ("worker_functions:akt", {}),
        ("worker_functionz:act", {}),
        ("no_such_plugin", {}),
        ("broken code.handle", {}),
        ("broken_import.handle", {}),
        ("broken_syntax.handle", {}),
        ("broken_code.handle", {}),
        ("exits.handle", {}),
        ("worker_functions:Phases", {"settings": {"nots": "x"}}),
        ("worker_functions:act", {"middleware": ["no_such_middleware"]}),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_reported_as_in_a_thread(
    handler: str,
    entry: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "broken_import.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "broken_syntax.py").write_text("def handle(event, context)\n    return event\n")
    (tmp_path / "broken_code.py").write_text("SETTING = {}['missing']\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(4)\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = json.dumps({"version": 1, "functions": {NAME: {"handler": handler, **entry}}})
    config = parse(text, "functions.yaml", {})
    runtime = Runtime(config, {})
    (_, _, error), *_ = runtime.load([NAME])
    assert isinstance(error, PluginError)
    with isolated(handler, entry) as workers, pytest.raises(PluginError) as caught:
        workers.load()
    remote = caught.value
    assert (remote.kind, remote.what, remote.fix) == (error.kind, error.what, error.fix)
    assert (remote.where, list(remote.causes)) == (error.where, list(error.causes))
    assert str(remote) == str(error)
    assert result.format_error(remote) == result.format_error(error)


def test_the_context_is_the_same() -> None:
    context = Context.from_headers(CONTEXT, ENVIRONMENT)
    document, _ = in_thread("worker_functions:whoami", b"", context)
    expected = json.loads(document)
    with isolated("worker_functions:whoami", {"settings": {"mark": "m"}}) as workers:
        reported = json.loads(workers.invoke(b"", context))
    for facts in (reported, expected):
        assert 0 < facts.pop("left") <= 33
        facts.pop("arguments")
    assert reported == expected
    assert reported["function"]["memory"] == 512
    assert reported["accountId"] == "42"


def test_a_deadline_is_at_the_same_moment() -> None:
    context = Context.from_headers({"x-fc-function-timeout": "30"}, {})
    with isolated("worker_functions:whoami") as workers:
        workers.load()
        time.sleep(1)
        reported = json.loads(workers.invoke(b"", context))
    assert reported["left"] <= 29


def test_keys_are_in_no_environment_and_no_argument() -> None:
    with isolated("worker_functions:whoami", {"settings": {"password": "hidden"}}) as workers:
        workers.initialize(call(KEYS))
        reported = json.loads(workers.invoke(b"", call(KEYS)))
    environment = [value for name, value in os.environ.items() if name.startswith("ALIBABA")]
    assert list(reported["environment"].values()) == environment
    assert "hidden" not in reported["arguments"]
    assert NAME in reported["arguments"]
    assert reported["credentials"]["accessKeySecret"] == KEYS["x-fc-access-key-secret"]


def test_keys_of_the_environment_are_used_as_in_a_thread() -> None:
    environment = {
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "half",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "a pair",
    }
    context = Context.from_headers({}, environment)
    with isolated("worker_functions:whoami") as workers:
        reported = json.loads(workers.invoke(b"", context))
    assert reported["credentials"]["accessKeySecret"] == "half"
    assert reported["credentials"]["securityToken"] == "a pair"


@pytest.mark.parametrize("style", ["text", "json"])
def test_all_output_is_out_before_the_answer(style: str, capfd: pytest.CaptureFixture[str]) -> None:
    with isolated(log_format=style, log_level="WARNING") as workers:
        workers.load()
        for number in range(3):
            logs.write_status(f"start {number}\n")
            assert act(workers, "print_things") == b"done"
            logs.write_status(f"end {number}\n")
    out = capfd.readouterr().out
    for number in range(3):
        own = out.partition(f"start {number}\n")[2].partition(f"end {number}\n")[0].splitlines()
        assert own[0] == "printed"
        assert "the-call" in own[1]
        assert "logged" in own[1]
        assert own[2] == "by a child"
        assert own[3].endswith(" raw")
        assert own[4] == "unfinished"
        assert style == "text" or json.loads(own[1])["requestId"] == "the-call"


def test_middleware_settings_and_async_hooks_are_the_same() -> None:
    entry = {
        "middleware": [
            {"name": "worker_functions:Outer", "settings": {"mark": "outer"}},
            {"name": "worker_functions:Inner", "settings": {"mark": "${MARK}"}},
        ]
    }
    environ = {"MARK": "inner"}
    with isolated("worker_functions:answer_later", entry, environ) as workers:
        answer = act(workers, b"").decode()
        pid = workers._pool.loaded[0].pid
    assert answer == f"outer(inner(the-call in {pid}))"
