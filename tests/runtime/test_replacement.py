"""A module that must be started again: when, in which order, and what its callers see."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.edited import Edited, run
from support.waiting import wait_until

DATABASE = """\
import os, time
from opening import Store
store = None

def initializer(context):
    global store
    if context.settings.get("word") == "slow":
        open("starting", "w").close()
        while not os.path.exists("gate"):
            time.sleep(0.01)
    if context.settings.get("broken"):
        raise OSError("the database is not there")
    store = Store()
    print("settings", context.settings.get("word"))

def another(context):
    print("another initializer ran")

def handler(event, context):
    if event == b"timeout":
        return str(context.function.timeout)
    if event == b"wait":
        open("inside", "w").close()
        while not os.path.exists("gate"):
            time.sleep(0.01)
    return store.row()

def pre_stop(context):
    store.close()
"""
FILES = {
    "database.py": DATABASE,
    "failing.py": "from fcplug import hookimpl\n\n"
    "class Failing:\n"
    "    def __init__(self, fail=False):\n"
    "        self.fail = fail\n\n"
    "    @hookimpl\n"
    "    def initialize(self):\n"
    "        assert not self.fail, 'it fails'\n\n"
    "    @hookimpl\n"
    "    def invoke(self):\n"
    "        return 'row 0'\n",
}
BOTH = "initializer: database.initializer, pre_stop: database.pre_stop"


def database(name: str, more: str = BOTH, settings: str = "{}") -> str:
    separator = ", " if more else ""
    return f"{name}: {{handler: database.handler{separator}{more}, settings: {settings}}}"


def lines(edited: Edited, *words: str) -> list[str]:
    """Return the lines of the log that begin with one of the words, in their order."""
    return [line for line in edited.instance.log.splitlines() if line.startswith(words)]


def test_other_settings_start_a_module_again_once_nobody_is_inside(tmp_path: Path) -> None:
    with run(tmp_path, FILES, "thread", database("a")) as edited, ThreadPoolExecutor(2) as callers:
        edited.rows("a")
        inside = callers.submit(edited.answer, "a", b"wait")
        wait_until((tmp_path / "inside").exists)
        edited.edit(database("a", settings="{word: new}"))
        waiting = callers.submit(edited.answer, "a")
        (tmp_path / "gate").touch()
        assert inside.result().startswith("row ")
        assert waiting.result().startswith("row ")
    order = [line.partition(" ")[0] for line in lines(edited, "opened", "closed", "settings")]
    assert order == ["opened", "settings", "closed", "opened", "settings", "closed"]
    assert "settings new" in edited.instance.log


def test_a_module_that_others_use_is_not_started_again(tmp_path: Path) -> None:
    with run(tmp_path, FILES, "thread", database("a"), database("b")) as edited:
        edited.rows("a", "b")
        edited.edit(database("a", settings="{word: new}"), database("b"))
        edited.rows("a", "b")
        wait_until(lambda: edited.instance.log.count("FC Initialize End RequestId") >= 2)
        assert len(lines(edited, "opened", "closed")) == 1


def test_an_initializer_that_fails_on_other_settings_fails_the_calls_until_it_is_corrected(
    tmp_path: Path,
) -> None:
    with run(tmp_path, FILES, "thread", database("a")) as edited:
        edited.rows("a")
        edited.edit(database("a", settings="{broken: true}"))
        assert "the database is not there" in edited.answer("a")
        edited.edit(database("a"))
        edited.rows("a")


def test_an_edit_during_the_first_initialization_is_followed_by_one_with_its_settings(
    tmp_path: Path,
) -> None:
    slow = database("a", settings="{word: slow}")
    with run(tmp_path, FILES, "thread", slow) as edited, ThreadPoolExecutor(2) as callers:
        first = callers.submit(edited.answer, "a")
        wait_until((tmp_path / "starting").exists)
        edited.edit(database("a", settings="{word: passed over}"))
        edited.edit(database("a", settings="{word: last}"))
        second = callers.submit(edited.answer, "a")
        (tmp_path / "gate").touch()
        assert first.result().startswith("row ")
        assert second.result().startswith("row ")
    order = lines(edited, "settings")
    assert order == ["settings slow", "settings last"]
    assert edited.journal.closed == edited.journal.opened


def test_a_refused_edit_runs_no_other_initializer_of_a_module_that_serves(tmp_path: Path) -> None:
    failing = "failing: {handler: failing.Failing}"
    other = "initializer: database.another, pre_stop: database.pre_stop"
    with run(tmp_path, FILES, "thread", database("a"), failing) as edited:
        edited.rows("a", "failing")
        fails = "failing: {handler: failing.Failing, settings: {fail: true}}"
        edited.edit(database("a", other), fails, refused=True)
        edited.rows("a", "failing")
        assert "another initializer ran" not in edited.instance.log
        assert not lines(edited, "closed")
        edited.edit(database("a", other), failing)
        wait_until(lambda: "another initializer ran" in edited.instance.log)


def test_pre_stop_waits_for_a_function_that_uses_the_module_without_naming_it(
    tmp_path: Path,
) -> None:
    with run(tmp_path, FILES, "thread", database("a"), database("plain", "")) as edited:
        edited.rows("a", "plain")
        edited.edit(database("plain", ""))
        edited.rows("plain")
        assert not lines(edited, "closed")
        edited.edit("other: {handler: failing.Failing}")
        wait_until(lambda: lines(edited, "closed"))
    assert len(lines(edited, "opened", "closed")) == 2


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_new_timeout_holds_for_the_object_that_lives(tmp_path: Path, mode: str) -> None:
    with run(tmp_path, FILES, mode, database("a", f"{BOTH}, timeout: 50")) as edited:
        assert edited.answer("a", b"timeout") == "50"
        edited.edit(database("a", f"{BOTH}, timeout: 7"))
        assert edited.answer("a", b"timeout") == "7"
        assert len(lines(edited, "opened", "closed")) == 1


def test_a_stop_waits_for_a_removed_function_whose_hooks_have_not_run(tmp_path: Path) -> None:
    with run(tmp_path, FILES, "thread", database("a")) as edited, ThreadPoolExecutor(1) as callers:
        inside = callers.submit(edited.answer, "a", b"wait")
        wait_until((tmp_path / "inside").exists)
        edited.edit("other: {handler: failing.Failing}")
        stopping = ThreadPoolExecutor(1).submit(edited.instance.stop)
        (tmp_path / "gate").touch()
        assert inside.result().startswith("row ")
        assert stopping.result() == 0
    assert len(lines(edited, "opened", "closed")) == 2


def test_more_concurrency_is_for_those_who_wait_already(tmp_path: Path) -> None:
    one = database("a", f"{BOTH}, concurrency: 1")
    with run(tmp_path, FILES, "thread", one) as edited, ThreadPoolExecutor(2) as callers:
        inside = callers.submit(edited.answer, "a", b"wait")
        wait_until((tmp_path / "inside").exists)
        waiting = callers.submit(edited.answer, "a")
        assert not waiting.done()
        edited.edit(database("a", f"{BOTH}, concurrency: 2"))
        assert waiting.result().startswith("row ")
        assert not inside.done()
        (tmp_path / "gate").touch()
        assert inside.result().startswith("row ")
        assert len(lines(edited, "opened", "closed")) == 1
