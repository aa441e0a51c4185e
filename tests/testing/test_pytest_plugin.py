"""The fixtures in real runs of pytest, in a folder that has no conftest."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Run = Callable[..., str]

HELLO = """
import os, logging, sys, threading
from fcplug import hookimpl

@hookimpl
def initialize(context):
    os.environ["LEFT_BY_HELLO"] = "1"
    logging.getLogger().setLevel("ERROR")
    print("initialized")

@hookimpl
def invoke(event, context):
    return {"hello": event.decode()}

@hookimpl
def pre_stop(context):
    with open("stopped", "a") as file:
        file.write("stopped\\n")

def handle(event, context):
    print("handled", event)
    return invoke(event, context)

def fail(event, context):
    print("about to fail")
    raise ValueError("no such luck")
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return what runs pytest over a module of tests, and returns what it printed."""
    (tmp_path / "hello.py").write_text(HELLO)

    def run(tests: str, *options: str, passes: bool = True) -> str:
        (tmp_path / "test_it.py").write_text(dedent(tests))
        variables = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *options],
            cwd=tmp_path,
            env=variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (ended.returncode == 0) == passes, ended.stdout + ended.stderr
        return ended.stdout

    return run


def test_a_test_needs_nothing_but_the_fixture(run: Run) -> None:
    run("""
    def test_hello(fc):
        assert fc.invoke("hello:handle", "Ada").json() == {"hello": "Ada"}
    """)


def test_the_fixtures_are_listed_with_what_they_are_for(run: Run) -> None:
    listed = run("", "--fixtures", "-q", passes=True)
    for name, text in (
        ("fc", "Run functions in this process"),
        ("fc_context", "Make the context of a call"),
        ("fc_event", "Make a sample event"),
    ):
        assert re.search(rf"^{name} .*\n    {text}", listed, re.MULTILINE)


def test_nothing_is_left_for_the_next_test_and_hooks_run_in_order(run: Run, tmp_path: Path) -> None:
    run("""
    import logging, os, pathlib, sys, threading
    import pytest

    SEEN = []

    def state():
        root = logging.getLogger()
        return {
            "variables": dict(os.environ, PYTEST_CURRENT_TEST=""),
            "root": (root.level, len(root.handlers)),
            "folder": os.getcwd(),
            "path": list(sys.path),
            "threads": threading.enumerate(),
            "hello": "hello" in sys.modules,
        }

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_hello(fc, number):
        SEEN.append(state())
        import importlib.util
        assert fc.invoke(fc_module(), "Ada").json() == {"hello": "Ada"}
        assert fc.invoke("hello:handle", "Ada", timeout=5).error is None
        assert "hello" in sys.modules

    def fc_module():
        import types
        module = types.ModuleType("hooks")
        exec(pathlib.Path("hello.py").read_text(), vars(module))
        return module

    def test_after():
        SEEN.append(state())
        for before, after in zip(SEEN, SEEN[1:]):
            assert after == before
        assert not SEEN[0]["hello"]
    """)
    assert (tmp_path / "stopped").read_text() == "stopped\n" * 3


def test_the_log_of_a_failed_test_is_in_its_report(run: Run) -> None:
    printed = run(
        """
        def test_fails(fc):
            assert fc.invoke("hello:fail").error is None

        def test_passes(fc):
            assert fc.invoke("hello:handle", "Ada").error is None
        """,
        passes=False,
    )
    assert "- Captured log of fcplug call -" in printed
    assert "about to fail" in printed
    assert "handled b'Ada'" not in printed


def test_runners_that_are_made_from_the_fixture_are_closed_with_it(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    text = 'version: 1\nfunctions: {hi: {handler: "hello.handle", pre_stop: "hello.stop"}}\n'
    (tmp_path / "config" / "functions.yaml").write_text(text)
    (tmp_path / "hello.py").write_text(HELLO + "def stop(context): pre_stop(context)\n")
    run("""
    from pathlib import Path
    import pytest
    from fcplug.errors import ConfigError

    def test_file(fc):
        functions = fc.from_file("config/functions.yaml")
        assert functions.invoke("hi", "Ada").json() == {"hello": "Ada"}
        same = fc.from_text(Path("config/functions.yaml").read_text())
        assert same.invoke("hi", "Ada").json() == {"hello": "Ada"}
        with pytest.raises(ConfigError, match="No such file"):
            fc.from_file("config/function.yaml")

    def test_after():
        assert Path("stopped").read_text() == "stopped\\n" * 2
        import sys
        assert "hello" not in sys.modules
    """)


def test_contexts_and_events_are_made(run: Run) -> None:
    run("""
    import json
    import pytest

    def test_them(fc, fc_context, fc_event):
        context = fc_context(function_name="resize", request_id="1-2", settings={"width": 1})
        assert (context.function.name, context.request_id) == ("resize", "1-2")
        event = json.loads(fc_event("oss", key="a.jpg"))
        assert event["events"][0]["oss"]["object"]["key"] == "a.jpg"
        with pytest.raises(ValueError, match="no sample event 'osss'.*did you mean 'oss'"):
            fc_event("osss")
        answer = fc.invoke("hello:handle", fc_event("timer"), context=context)
        assert "1-2" in answer.log[0]
    """)


def test_output_capturing_and_logging_of_pytest_go_on(run: Run) -> None:
    run("""
    import logging, sys

    def test_them(fc, capsys, caplog):
        print("before")
        fc.invoke("hello:handle", "Ada")
        fc.invoke(lambda event: logging.warning("by the handler"))
        print("after")
        logging.warning("by the test")
        assert capsys.readouterr().out == "before\\nafter\\n"
        assert [record.message for record in caplog.records] == ["by the handler", "by the test"]
    """)
    uncaptured = """
    def test_it(fc):
        assert "handled b'x'" in fc.invoke("hello:handle", "x").log
    """
    run(uncaptured, "-s")


def test_the_environment_of_a_test_is_that_of_its_calls(run: Run) -> None:
    run("""
    import os

    def test_it(fc, monkeypatch, tmp_path):
        monkeypatch.setenv("MINE", "1")
        assert fc.invoke(lambda event: os.environ["MINE"]).text == "1"
        monkeypatch.chdir(tmp_path)
        assert fc.invoke(lambda event: os.getcwd()).text == str(tmp_path)
    """)


def test_nothing_of_the_runtime_is_imported_before_a_test_asks_for_it(run: Run) -> None:
    run("""
    import sys

    def test_first():
        assert sorted(name for name in sys.modules if name.partition(".")[0] == "fcplug") == [
            "fcplug", "fcplug.pytest_plugin"]
        assert not {"pluggy_runtime", "falcon", "msgspec", "waitress"} & sys.modules.keys()

    def test_then(fc):
        assert "falcon" not in sys.modules
    """)


def test_the_kit_needs_no_pytest(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    script = """
    import sys
    from fcplug.testing import Runner, check_handler, inspect_handler, make_context, make_event
    with Runner() as fc:
        print(fc.invoke("hello:handle", make_event("timer"), context=make_context()).error)
    print(inspect_handler("hello:handle"))
    assert not {"pytest", "_pytest"} & sys.modules.keys()
    """
    ended = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.stdout, ended.stderr) == ("None\n[]\n", "")
