"""What the conformance check finds in handlers that break a rule, and in none that keep all."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug import Context, hookimpl
from fcplug.testing import Finding, check_handler, inspect_handler

Code = Callable[[str, str], Path]


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def found(handler: Any, **more: Any) -> str:
    """Return the one finding as people read it."""
    findings = inspect_handler(handler, **more)
    assert len(findings) == 1, findings
    return str(findings[0])


def good(event: bytes, context: Context) -> dict[str, str]:
    return {"event": event.decode(), "id": context.request_id}


def test_a_handler_that_keeps_the_rules_passes() -> None:
    assert inspect_handler(good) == []
    check_handler(good, event={"a": 1}, settings={"x": 1}, timeout=30)


def test_options_may_be_objects_of_this_process() -> None:
    def begin(context: Context) -> None: ...

    assert inspect_handler(good, initializer=begin) == []


def test_a_handler_is_loaded_by_its_name(install: Callable[..., Path]) -> None:
    install("acme", {"acme": "def handle(event): return event"}, handlers={"echo": "acme:handle"})
    assert inspect_handler("echo") == []
    text = found("ehco")
    assert "no installed package offers the handler 'ehco' (did you mean 'echo'?)" in text
    assert "fix: " in text


def test_a_module_that_exits_on_import_is_found(code: Code) -> None:
    code("exits", "import sys\nsys.exit(3)")
    text = found("exits:handle")
    assert "SystemExit: 3" in text
    assert "fix: a module must not exit while it is imported" in text


IMPORTS = {
    "variables": ("import os\nos.environ['FCPLUG_TEST_X'] = 'secret'", "variables: FCPLUG_TEST_X"),
    "logging": (
        "import logging\nlogging.basicConfig(level=10)",
        "configures logging: handlers of the root logger, level of the root logger",
    ),
    "folder": ("import os\nos.chdir('/')", "changes the working directory to /"),
    "signals": (
        "import contextlib, signal\nwith contextlib.suppress(ValueError):"  # not the main thread
        "\n    signal.signal(signal.SIGUSR1, lambda *_: None)",
        "replaces the handlers of signals: SIGUSR1",
    ),
    "streams": ("import sys\nsys.stdout = sys.stderr", "replaces sys.stdout"),
    "printed": ("print('welcome')", "prints 'welcome'"),
    "printed below": ("import os\nos.write(1, b'welcome')", "prints 'welcome'"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_what_an_import_does_to_the_process_is_found(code: Code, name: str) -> None:
    text, what = IMPORTS[name]
    code("effects", f"{text}\ndef handle(event): return 'x'")
    before = dict(os.environ), os.getcwd(), [*logging.getLogger().handlers]
    message = found("effects:handle")
    assert what in message
    assert "secret" not in message
    assert (dict(os.environ), os.getcwd(), [*logging.getLogger().handlers]) == before


def test_an_import_that_ends_a_fresh_process_is_found(code: Code) -> None:
    code(
        "ends",
        f"""
        import os
        if os.getpid() != {os.getpid()}:  # in the process of the check
            os._exit(4)
        def handle(event): return 'x'
        """,
    )
    findings = inspect_handler("ends:handle")
    assert "the import ends the process: exit code 4" in findings[0].what


def test_an_event_that_the_handler_refuses_is_asked_for() -> None:
    def picky(event: dict[str, int]) -> int:
        return event["a"]

    assert "give the check an event that it accepts" in found(picky)
    assert inspect_handler(picky, event={"a": 1}) == []
    assert inspect_handler(picky, event=lambda number: {"a": number}) == []


def test_an_error_that_is_false_as_a_condition_is_found() -> None:
    class NoItems(Exception):
        def __len__(self) -> int:
            return 0

    def fails(event: bytes) -> None:
        raise NoItems("the shelf is empty")

    assert "NoItems: the shelf is empty" in found(fails)


class SharedEvent:
    """Keeps the event of the last call."""

    @hookimpl
    def invoke(self, event: bytes) -> bytes:
        self.event = event
        time.sleep(0.001)
        return self.event


class SharedContext:
    """Keeps the context of the last call."""

    @hookimpl
    def invoke(self, event: bytes, context: Context) -> str:
        self.context = context
        time.sleep(0.001)
        return self.context.request_id


class OneAtATime:
    """Refuses to run twice at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    @hookimpl
    def invoke(self, event: bytes) -> bytes:
        if not self.lock.acquire(blocking=False):
            raise RuntimeError("busy")
        time.sleep(0.001)
        self.lock.release()
        return event


@pytest.mark.parametrize("handler", [SharedEvent, SharedContext])
def test_answers_that_overlapping_calls_mix_up_are_found(handler: type) -> None:
    text = found(handler)
    assert "of 50 overlapping calls were answered otherwise than alone" in text
    assert "fix: keep what belongs to a call in local variables" in text


def test_overlapping_calls_that_fail_are_found() -> None:
    assert "overlapping calls failed, and none alone: RuntimeError: busy" in found(OneAtATime)


class Deadlock:
    """Takes a lock for each of two calls, and waits for the other's."""

    def __init__(self) -> None:
        self.inside = 0

    @hookimpl
    def invoke(self, event: bytes) -> bytes:
        self.inside += 1
        while self.inside > 1:
            time.sleep(0.01)
        time.sleep(0.001)
        self.inside -= 1
        return event


def test_calls_that_wait_for_each_other_are_found_and_left_alone() -> None:
    streams = sys.stdout, sys.stderr
    text = found(Deadlock, limit=5)
    assert "overlapping calls did not end within 5 s" in text
    assert (sys.stdout, sys.stderr) == streams


def test_answers_that_differ_by_themselves_are_not_mixed_up() -> None:
    assert inspect_handler(lambda event: os.urandom(8).hex()) == []


def test_a_result_that_cannot_be_sent_is_found() -> None:
    text = found(lambda event: {"a": {1}})
    assert text.startswith("its results can be sent: ")
    assert "fix: return a list" in text


def test_an_initialize_that_runs_only_once_is_found() -> None:
    class Once:
        begun = False

        @hookimpl
        def initialize(self) -> None:
            if self.begun:
                raise RuntimeError("already begun")
            self.begun = True

        @hookimpl
        def invoke(self, event: bytes) -> bytes:
            return event

    text = found(Once)
    assert text.startswith("it initializes again after a failure: ")
    assert "RuntimeError: already begun" in text


def test_a_call_that_a_freeze_breaks_is_found(code: Code) -> None:
    code(
        "stale",
        """
        import time
        from fcplug import hookimpl
        class Stale:
            @hookimpl
            def pre_freeze(self):
                self.frozen = time.monotonic()
            @hookimpl
            def invoke(self, event):
                if hasattr(self, "frozen") and time.monotonic() - self.frozen > 0.4:
                    raise ConnectionError("the server has closed it")
                return event
        """,
    )
    text = found("stale:Stale")
    assert "the call after the freeze failed: ConnectionError: the server has closed it" in text


def leaks_in_result(event: bytes, context: Context) -> str:
    return context.credentials.access_key_id


def leaks_in_print(event: bytes, context: Context) -> None:
    print(context.to_json())


def leaks_in_record(event: bytes, context: Context) -> None:
    logging.info("token %s", context.credentials.security_token)


def leaks_in_environment(event: bytes, context: Context) -> None:
    os.environ["FCPLUG_TEST_KEY"] = context.credentials.access_key_secret


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        (leaks_in_result, "its result holds the access key id"),
        (leaks_in_print, "the log holds the access key id, access key secret, security token"),
        (leaks_in_record, "the log holds the security token"),
        (leaks_in_environment, "the environment holds the access key secret"),
    ],
)
def test_credentials_that_show_are_found(handler: Any, what: str) -> None:
    assert what in found(handler)
    assert "FCPLUG_TEST_KEY" not in os.environ


def test_credentials_in_an_error_are_found() -> None:
    def leaks_in_error(event: bytes, context: Context) -> None:
        raise ValueError(f"refused {context.credentials.access_key_secret}")

    findings = inspect_handler(leaks_in_error)
    assert rules(findings) == ["it answers", "it shows no credentials"]
    assert findings[1].what == "its error holds the access key secret"


def test_the_check_names_every_finding_with_what_to_do() -> None:
    with pytest.raises(AssertionError) as caught:
        check_handler(SharedEvent, event="x", settings={"unknown": 1})
    assert "it loads: " in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        check_handler(leaks_in_result)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("leaks_in_result has 1 problem:")
    assert lines[1].startswith("- it shows no credentials: ")
    assert lines[2] == "    fix: leave them out"
