"""``fcplug serve --reload``: edits of code take effect, and the last code that loads serves on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.deployed import PATIENCE, Instance, deploy, start
from support.isolated import runs
from support.lean import lean_python
from support.running import signal_another_thread
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f: {handler: index.handle}
  other: {handler: other.handle}
"""
OTHER = "import os\ndef handle(event, context): return str(os.getpid())\n"


def code(answer: str) -> str:
    return f"def handle(event, context): return {answer!r}\n"


@contextmanager
def reloading(folder: Path, config: str = CONFIG, **files: str) -> Iterator[Instance]:
    """Serve a folder with ``--reload``."""
    deploy(folder, config, {"index.py": code("one"), "other.py": OTHER, **files})
    (folder / "bootstrap").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m fcplug serve --host 127.0.0.1 --reload "$@"\n'
    )
    with start(folder) as instance:
        yield instance


def answers(instance: Instance, wanted: str, function: str = "f") -> None:
    """Wait until a function answers something."""
    wait_until(lambda: instance.invoke(function).body == wanted.encode())


def test_an_edit_of_code_takes_effect_on_the_port_that_stays_open(tmp_path: Path) -> None:
    with reloading(tmp_path, **{"lib/words.py": "WORD = 'one'\n"}) as instance:
        assert instance.invoke("f").body == b"one"
        (tmp_path / "index.py").write_text(code("two"))
        answers(instance, "two")
        (tmp_path / "index.py").write_text("from lib.words import WORD\n" + code("WORD"))
        (tmp_path / "index.py").write_text(
            "from lib.words import WORD\ndef handle(event, context): return WORD\n"
        )
        answers(instance, "one")
        (tmp_path / "lib" / "words.py").write_text("WORD = 'six'\n")  # as long, in the same second
        answers(instance, "six")
        assert "changed: lib/words.py; starting a new process" in instance.log
        assert "detected" not in instance.log  # watchfiles' own line of the same fact
        assert instance.stop() == 0


def test_a_stop_signal_that_another_thread_gets_counts(tmp_path: Path) -> None:
    with reloading(tmp_path) as instance:
        assert instance.invoke("f").body == b"one"
        signal_another_thread(instance.process.pid)
        assert instance.process.wait(PATIENCE) == 0


def test_no_call_is_lost_while_the_code_changes(tmp_path: Path) -> None:
    with reloading(tmp_path) as instance:
        lost: list[object] = []
        served: set[bytes] = set()
        done = threading.Event()

        def call() -> None:
            while not done.is_set():
                answer = instance.invoke("f")
                served.add(answer.body)
                time.sleep(0.002)
                if answer.status != 200:
                    lost.append(answer)

        client = threading.Thread(target=call)
        client.start()
        for number in range(3):
            (tmp_path / "index.py").write_text(code(f"edit {number}"))
            wait_until(lambda: len(served) == number + 2)  # noqa: B023 - it is called here
        done.set()
        client.join()
        assert not lost


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("def handle(event, context)\n", "Syntax error in module 'index'"),
        ("import nowhere\n", "No module named 'nowhere'"),
        ("x = 1\n", "Handler 'handle' is missing"),
        ("import time; time.sleep(600)\n", "still importing 'f', at "),
        ("import os; os._exit(3)\n", "the new process ended before it served"),
    ],
)
def test_code_that_does_not_load_changes_nothing_and_is_reported_once(
    tmp_path: Path, wrong: str, reason: str
) -> None:
    with reloading(tmp_path) as instance:
        process = instance.invoke("other").body
        (tmp_path / "index.py").write_text(wrong)
        instance.wait_for("the previous process continues")
        assert instance.invoke("f").body == b"one"
        assert instance.invoke("other").body == process
        assert reason in instance.log
        assert instance.log.count("the previous process continues") == 1
        (tmp_path / "index.py").write_text(code("two"))
        answers(instance, "two")
        wait_until(lambda: not runs(int(process)))


def test_a_function_that_never_loaded_does_not_hold_back_the_others(tmp_path: Path) -> None:
    config = CONFIG + "  broken: {handler: nowhere.handle}\n"
    with reloading(tmp_path, config) as instance:
        (tmp_path / "index.py").write_text(code("two"))
        answers(instance, "two")
        (tmp_path / "nowhere.py").write_text(code("found"))
        answers(instance, "found", "broken")


def test_an_edit_of_the_configuration_needs_no_new_process(tmp_path: Path) -> None:
    with reloading(tmp_path) as instance:
        process = instance.invoke("other").body
        file = tmp_path / "config" / "functions.yaml"
        file.write_text(CONFIG + "  more: {handler: index.handle}\n")
        answers(instance, "one", "more")
        assert instance.invoke("other").body == process


def in_place(file: Path, text: str) -> None:
    """Save as some editors do: the file is empty for a moment."""
    file.write_text(text)
    os.utime(file)


def by_rename(file: Path, text: str) -> None:
    """Save as other editors do: aside, then renamed over."""
    aside = file.with_suffix(".new")
    aside.write_text(text)
    aside.replace(file)


@pytest.mark.parametrize("save", [in_place, by_rename])
def test_an_edit_of_the_configuration_is_reported_once_without_any_call(
    tmp_path: Path, save: Callable[[Path, str], None]
) -> None:
    rejected, reloaded = "the edit is rejected", "the configuration is reloaded"
    with reloading(tmp_path) as instance:
        file = tmp_path / "config" / "functions.yaml"
        save(file, CONFIG.replace("index.handle", "index.handle, timout: 3"))
        instance.wait_for("unknown key 'timout'")
        assert "functions.yaml:3" in instance.log
        save(file, CONFIG + "  more: {handler: index.handle}\n")
        instance.wait_for(r"the configuration is reloaded \(added: more\)")
        answers(instance, "one", "more")
        assert [instance.log.count(line) for line in (rejected, reloaded)] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("state", ["gone", "empty"])
def test_a_configuration_that_stays_away_is_warned_of_without_any_call(
    tmp_path: Path, state: str
) -> None:
    with reloading(tmp_path) as instance:
        file = tmp_path / "config" / "functions.yaml"
        if state == "gone":
            file.unlink()
        else:
            file.write_text("")
        instance.wait_for(rf"functions.yaml is {state}: the running configuration stays")
        file.write_text(CONFIG + "  more: {handler: index.handle}\n")
        answers(instance, "one", "more")
        assert instance.log.count("the running configuration stays") == 1


def test_a_function_that_an_edit_adds_is_loaded_and_its_mistake_is_logged(tmp_path: Path) -> None:
    with reloading(tmp_path) as instance:
        file = tmp_path / "config" / "functions.yaml"
        by_rename(file, CONFIG + "  more: {handler: index.handel}\n")
        instance.wait_for("function 'more' is not loaded.* 'handel' is missing on module 'index'")
        by_rename(file, CONFIG + "  more: {handler: index.hande}\n")
        instance.wait_for("function 'more' is not loaded.* 'hande' is missing on module 'index'")
        by_rename(file, CONFIG + "  more: {handler: index.handle}\n")
        answers(instance, "one", "more")
        assert instance.log.count("is not loaded") == 2


def test_an_edit_of_the_configuration_during_a_start_is_read_by_the_new_process(
    tmp_path: Path,
) -> None:
    slow = (
        "import os, time\n"
        "open('in', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
    )
    with reloading(tmp_path) as instance:
        by_rename(tmp_path / "index.py", slow + code("two"))  # one start, not two
        wait_until((tmp_path / "in").exists)
        file = tmp_path / "config" / "functions.yaml"
        file.write_text(CONFIG + "  more: {handler: index.handle}\n")
        (tmp_path / "go").touch()
        instance.wait_for(r"the configuration is reloaded \(added: more\)")
        answers(instance, "two", "more")


def test_a_process_that_ends_is_started_again(tmp_path: Path) -> None:
    ends = "import os, signal\ndef handle(event, context): os.kill(os.getpid(), signal.SIGKILL)\n"
    with reloading(tmp_path, CONFIG + "  ends: {handler: ends.handle}\n", **{"ends.py": ends}) as (
        instance
    ):
        time.sleep(1.5)  # what ends sooner is not started again before an edit
        with pytest.raises(AssertionError, match="no answer"):
            instance.invoke("ends")
        assert instance.invoke("f").body == b"one"
        with pytest.raises(AssertionError, match="no answer"):
            instance.invoke("ends")
        (tmp_path / "index.py").write_text(code("two"))
        answers(instance, "two")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_was_accepted_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    slow = (
        "import os, time\ndef handle(event, context):\n"
        "    open('in', 'w').close()\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n"
        "    return str(os.getpid())\n"
    )
    with reloading(tmp_path, CONFIG.replace("index", "slow"), **{"slow.py": slow}) as instance:
        client = instance.connect()
        client.request("POST", "/invoke", b"", {"x-fc-function-name": "f"})
        wait_until((tmp_path / "in").exists)
        os.kill(instance.process.pid, number)
        (tmp_path / "go").touch()
        process = int(client.getresponse().read())
        client.close()
        assert instance.process.wait(60) == 0
        assert not runs(process)


def test_the_process_ends_with_the_one_that_supervises_it(tmp_path: Path) -> None:
    with reloading(tmp_path) as instance:
        process = int(instance.invoke("other").body)
        instance.process.kill()
        wait_until(lambda: not runs(process))


def test_several_processes_are_for_production_and_one_reloads(tmp_path: Path) -> None:
    config = CONFIG.replace("version: 1\n", "version: 1\nruntime: {processes: 2}\n")
    with reloading(tmp_path, config) as instance:
        assert len({instance.invoke("other").body for _ in range(20)}) == 1
        (tmp_path / "index.py").write_text(code("two"))
        answers(instance, "two")
        assert instance.stop() == 0


def test_code_of_an_editable_install_counts(tmp_path: Path) -> None:
    packages, source = tmp_path / "packages", tmp_path / "source"
    info = packages / "mine-1.dist-info"
    info.mkdir(parents=True)
    source.mkdir()
    (source / "mine.py").write_text(code("one"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fcplug.handlers]\nmine = mine:handle\n")
    origin = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(origin))
    folder = tmp_path / "code"
    deploy(folder, "version: 1\nfunctions:\n  f: {handler: mine}\n")
    (folder / "bootstrap").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m fcplug serve --host 127.0.0.1 --reload "$@"\n'
    )
    with start(folder, environ={"PYTHONPATH": f"{packages}:{source}"}) as instance:
        answers(instance, "one")
        (source / "mine.py").write_text(code("two"))
        answers(instance, "two")


def test_without_the_extra_the_command_that_installs_it_is_shown(tmp_path: Path) -> None:
    python = lean_python(tmp_path / "own")
    folder = deploy(tmp_path / "code", CONFIG, {"index.py": code("one"), "other.py": OTHER})
    done = subprocess.run(
        [str(python), "-m", "fcplug", "serve", "--reload", "--port", "0"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"fcplug serve --reload needs watchfiles: {python} -m pip install 'fcplug[tools]'\n"
    )
