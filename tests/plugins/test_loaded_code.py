"""The log reports edits of running code, once each."""

import json
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start
from support.waiting import wait_until

CONFIG = "version: 1\nfunctions:\n  f: {handler: index.handle}\n  g: {handler: later.handle}\n"
FILES = {
    "index.py": "from lib import words\ndef handle(event, context): return words.WORD\n",
    "lib/words.py": "WORD = 'old'\n",
    "later.py": "def handle(event, context): return 'good'\n",
}
NEWER = "the code on disk is newer than the running code: "


def called_until(instance: Instance, text: str) -> None:
    """Call until the log holds a text: the files are looked at with the calls."""

    def found() -> bool:
        instance.invoke("g")
        return text in instance.log

    wait_until(found)


@pytest.mark.parametrize("runtime", ["{}", "{processes: 2}"])
def test_an_edit_of_running_code_is_reported_once(tmp_path: Path, runtime: str) -> None:
    config = CONFIG.replace("version: 1", f"version: 1\nruntime: {runtime}")
    with start(deploy(tmp_path, config, FILES)) as instance:
        (tmp_path / "lib" / "words.py").write_text("WORD = 'new'\n")
        called_until(instance, f"{NEWER}lib/words.py; restart to run it, or develop with fcplug")
        (tmp_path / "index.py").write_text("1 / 0\n")
        called_until(instance, f"{NEWER}index.py;")
        assert instance.invoke("f").body == b"old"
        if runtime == "{}":
            assert instance.log.count(NEWER) == 2


def test_an_edit_of_the_entry_says_that_its_code_is_newer(tmp_path: Path) -> None:
    with start(deploy(tmp_path, CONFIG, FILES)) as instance:
        (tmp_path / "index.py").write_text("def handle(event, context): return 'new'\n")
        config = CONFIG.replace("index.handle", "index:handle")
        (tmp_path / "config" / "functions.yaml").write_text(config)
        called_until(instance, "the configuration is reloaded (changed: f)")
        assert instance.invoke("f").body == b"old"
        assert f"{NEWER}index.py;" in instance.log


def test_code_that_was_corrected_or_never_imported_is_not_reported(tmp_path: Path) -> None:
    files = {**FILES, "lib/words.py": "WORD = 1 / 0\n", "unused.py": ""}
    with start(deploy(tmp_path, CONFIG, files)) as instance:
        assert json.loads(instance.invoke("f").body)["errorType"] == "UserCodeError"
        (tmp_path / "lib" / "words.py").write_text("WORD = 'right'\n")
        (tmp_path / "unused.py").write_text("1\n")
        assert instance.invoke("f").body == b"right"
        (tmp_path / "later.py").write_text("2\n")
        called_until(instance, f"{NEWER}later.py;")
        assert instance.log.count(NEWER) == 1


def test_on_fc_no_files_are_checked(tmp_path: Path) -> None:
    environ = {"FC_FUNCTION_NAME": "f", "FC_INSTANCE_ID": "i"}
    with start(deploy(tmp_path, CONFIG, FILES), environ=environ) as instance:
        assert instance.invoke("f").body == b"old"
        (tmp_path / "index.py").write_text("def handle(event, context): return 'new'\n")
        config = CONFIG + "  more: {handler: later.handle}\n"
        (tmp_path / "config" / "functions.yaml").write_text(config)
        called_until(instance, "the configuration is reloaded (added: more)")
        assert NEWER not in instance.log
