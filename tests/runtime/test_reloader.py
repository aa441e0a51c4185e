"""Edits of the configuration while it serves: what changes, what stays, what is refused."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start
from support.waiting import wait_until

TELLING = """\
import os, time
from fcplug import hookimpl

class Telling:
    made = 0

    def __init__(self, word="none", gate="", broken=False):
        Telling.made += 1
        self.number, self.word, self.gate, self.broken = Telling.made, word, gate, broken

    @hookimpl
    def initialize(self):
        if self.broken:
            raise OSError("the database is not there")
        if self.word == "slow":
            self.wait()

    def wait(self):
        open(self.gate + ".in", "w").close()
        while not os.path.exists(self.gate):
            time.sleep(0.01)

    @hookimpl
    def invoke(self, event):
        if event == b"wait":
            self.wait()
        return f"{self.word} {self.number}"

    @hookimpl
    def pre_stop(self):
        print(f"stopped {self.word} {self.number}")
"""
CONFIG = """\
version: 1
functions:
  kept: {handler: telling.Telling, settings: {word: kept}}
  edited: {handler: telling.Telling, settings: {word: old, gate: GATE}}
"""


class Editor:
    """Writes the configuration of an instance as an editor does: aside, then renamed over."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "config" / "functions.yaml"

    def write(self, text: str) -> None:
        aside = self._file.with_suffix(".new")
        aside.write_text(text)
        long_ago = time.time() - 10
        os.utime(aside, (long_ago, long_ago))
        aside.replace(self._file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    gate = str(tmp_path / "gate")
    return deploy(tmp_path, CONFIG.replace("GATE", gate), {"telling.py": TELLING})


@pytest.fixture
def instance(folder: Path) -> Iterator[Instance]:
    with start(folder) as running:
        yield running


@pytest.fixture
def edit(folder: Path, instance: Instance) -> Callable[..., None]:
    """Return what edits the configuration and waits until the instance has looked at it."""
    editor, text = Editor(folder), (folder / "config" / "functions.yaml").read_text()

    def change(*changes: tuple[str, str]) -> None:
        edited, before = text, len(instance.log)
        for old, new in changes:
            assert old in edited
            edited = edited.replace(old, new)
        editor.write(edited)
        instance.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration" in instance.log[before:])

    return change


def body(instance: Instance, function: str, event: bytes = b"") -> bytes:
    return instance.invoke(function, event).body


def test_an_edit_changes_what_it_says_and_nothing_else(
    instance: Instance, edit: Callable[..., None]
) -> None:
    assert [body(instance, "kept"), body(instance, "edited")] == [b"kept 1", b"old 2"]
    edit(("word: old", "word: new"))
    assert [body(instance, "kept"), body(instance, "edited")] == [b"kept 1", b"new 3"]
    wait_until(lambda: "stopped old 2" in instance.log)
    assert "the configuration is reloaded (changed: edited)" in instance.log
    assert instance.stop() == 0
    assert [
        instance.log.count(f"stopped {message}") for message in ("kept 1", "old 2", "new 3")
    ] == [1] * 3


def test_functions_come_and_go(instance: Instance, edit: Callable[..., None]) -> None:
    body(instance, "edited")
    edit(("  edited:", "  added:"))
    assert body(instance, "added").startswith(b"old ")
    assert b"no function 'edited'" in body(instance, "edited")
    assert "(added: added; removed: edited)" in instance.log


def test_an_edit_is_taken_over_by_a_request_without_any_signal(
    folder: Path, instance: Instance
) -> None:
    body(instance, "edited")
    time.sleep(1)
    Editor(folder).write((folder / "config" / "functions.yaml").read_text().replace("old", "new"))
    wait_until(lambda: body(instance, "edited").startswith(b"new "))


def test_an_invocation_in_flight_ends_on_what_it_began_with(
    folder: Path, instance: Instance, edit: Callable[..., None]
) -> None:
    gate = folder / "gate"
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(body, instance, "edited", b"wait")
        wait_until(Path(f"{gate}.in").exists)
        edit(("word: old", "word: new"))
        assert body(instance, "edited").startswith(b"new ")
        assert "stopped old" not in instance.log
        gate.touch()
        assert waiting.result().startswith(b"old ")
    wait_until(lambda: "stopped old" in instance.log)


def test_a_signal_that_comes_while_an_edit_is_taken_over_is_not_lost(
    folder: Path, instance: Instance
) -> None:
    editor, text = Editor(folder), (folder / "config" / "functions.yaml").read_text()
    body(instance, "edited")
    editor.write(text.replace("word: old", "word: slow"))
    instance.process.send_signal(signal.SIGHUP)
    wait_until((folder / "gate.in").exists)
    editor.write(text.replace("word: old", "word: new"))
    instance.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    (folder / "gate").touch()
    wait_until(lambda: instance.log.count("the configuration is reloaded") == 2)  # by no request
    assert body(instance, "edited").startswith(b"new ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("settings: {word: old", "setings: {word: old", "unknown key 'setings'"),
        ("settings: {word: old", "settings: {word: old, broken: true", "the database is not there"),
        ("settings: {word: old", "settings: {wrod: old", "unknown key 'wrod'"),
        ("telling.Telling, settings: {word: old", "telling.Teling, settings: {word: old", "Teling"),
    ],
    ids=["wrong file", "failing initializer", "wrong settings", "missing handler"],
)
def test_an_edit_that_would_not_serve_is_refused_and_the_running_one_stays(
    instance: Instance, edit: Callable[..., None], old: str, new: str, message: str
) -> None:
    assert body(instance, "edited") == b"old 2"
    edit((old, new))
    assert "the edit is rejected, the running configuration stays in use" in instance.log
    assert message in instance.log
    assert body(instance, "edited") == b"old 2"
    edit(("word: old", "word: new"))
    assert body(instance, "edited").startswith(b"new ")


def test_an_edit_after_which_a_function_does_not_load_is_refused_before_its_first_call(
    instance: Instance, edit: Callable[..., None]
) -> None:
    instance.wait_for(r"^  edited +telling\.Telling$")  # it is loaded
    edit(("edited: {handler: telling.Telling", "edited: {handler: telling.Teling"))
    assert "the edit is rejected, the running configuration stays in use" in instance.log
    assert "Teling" in instance.log
    assert body(instance, "edited").startswith(b"old ")
    assert instance.stop() == 0
    assert "abandoned" not in instance.log  # what was rejected waits for nothing


def test_what_takes_effect_after_a_restart_only_is_logged(
    instance: Instance, edit: Callable[..., None]
) -> None:
    edit(("version: 1\n", "version: 1\nruntime: {threads: 3}\n"))
    wait_until(lambda: "runtime that changed count after a restart only" in instance.log)


def _answers(instance: Instance, expected: bytes) -> bool:
    return body(instance, "edited").startswith(expected)


def test_reloading_can_be_switched_off(tmp_path: Path) -> None:
    text = CONFIG.replace("version: 1\n", 'version: 1\nruntime: {reload: "off"}\n')
    folder = deploy(tmp_path, text, {"telling.py": TELLING})
    with start(folder) as instance:
        body(instance, "edited")
        Editor(folder).write(text.replace("word: old", "word: new"))
        instance.process.send_signal(signal.SIGHUP)
        time.sleep(1.2)
        assert body(instance, "edited") == b"old 2"


def test_reloads_under_load_fail_no_request_and_mix_no_versions(
    folder: Path, instance: Instance
) -> None:
    editor, text = Editor(folder), (folder / "config" / "functions.yaml").read_text()
    stop, failed, served = threading.Event(), [], [0]

    def client() -> None:
        with closing(instance.connect()) as connection:
            while not stop.is_set():
                connection.request("POST", "/invoke", b"", {"x-fc-function-name": "edited"})
                answer = connection.getresponse()
                got = answer.read()
                served[0] += 1
                if answer.status != 200 or not got.startswith(b"version"):
                    failed.append(got)

    editor.write(text.replace("word: old", "word: version0"))
    instance.process.send_signal(signal.SIGHUP)
    wait_until(lambda: body(instance, "edited").startswith(b"version"))
    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 31):
        bad = number % 10 == 0
        editor.write("version: 7" if bad else text.replace("word: old", f"word: version{number}"))
        instance.process.send_signal(signal.SIGHUP)
        expected = b"version29 " if bad and number == 30 else f"version{number} ".encode()
        if not bad:
            wait_until(partial(_answers, instance, expected))
    wait_until(lambda: served[0] > 100 or failed)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    wait_until(lambda: instance.log.count("stopped version") == 27)
