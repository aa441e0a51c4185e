"""Checking the configuration file again: edits, files without news, unfinished edits."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug.config.file import SETTLED, ConfigFile
from fcplug.errors import ConfigError

Edit = Callable[[Path, str], None]
LONG_AGO = 10 * SETTLED


def text(handler: str) -> str:
    return f"version: 1\nfunctions: {{f: {{handler: {handler}}}}}\n"


def age(path: Path, seconds: float = LONG_AGO) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "functions.yaml"
    path.write_text(text("old"))
    age(path)
    return path


@pytest.fixture
def watched(file: Path) -> ConfigFile:
    watched = ConfigFile(str(file), {})
    assert watched.load().functions["f"].handler == "old"
    return watched


def handler(watched: ConfigFile) -> str | None:
    changed = watched.changed()
    return changed.functions["f"].handler if changed else None


def in_place(path: Path, content: str) -> None:
    path.write_text(content)
    age(path)


def renamed_over(path: Path, content: str) -> None:
    other = path.with_suffix(".new")
    in_place(other, content)
    other.replace(path)


def with_a_backup(path: Path, content: str) -> None:
    path.rename(path.with_suffix(".bak"))
    in_place(path, content)


def same_time_and_size(path: Path, content: str) -> None:
    before = path.stat()
    path.write_text(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.mark.parametrize(
    "edit", [in_place, renamed_over, with_a_backup, same_time_and_size], ids=lambda e: e.__name__
)
def test_an_edit_is_seen_once_however_it_is_made(
    file: Path, watched: ConfigFile, edit: Edit
) -> None:
    assert handler(watched) is None
    edit(file, text("new"))
    assert handler(watched) == "new"
    assert handler(watched) is None
    edit(file, text("old"))
    assert handler(watched) == "old"


def test_a_config_map_is_seen_when_its_link_is_swapped(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        in_place(tmp_path / version / "functions.yaml", text(version))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "functions.yaml").symlink_to("..data/functions.yaml")
    watched = ConfigFile(str(tmp_path / "functions.yaml"), {})
    watched.load()
    (tmp_path / "..next").symlink_to("two")
    (tmp_path / "..next").replace(tmp_path / "..data")
    assert handler(watched) == "two"


def test_a_file_that_was_just_written_may_not_be_complete(file: Path, watched: ConfigFile) -> None:
    written = time.monotonic()
    file.write_text(text("half"))
    seen = handler(watched)
    assert seen is None or time.monotonic() - written >= SETTLED  # on a machine that stalled
    in_place(file, text("whole"))
    assert handler(watched) == "whole"


def test_a_file_with_a_future_time_counts_after_an_unchanged_check(
    file: Path, watched: ConfigFile
) -> None:
    file.write_text(text("new"))
    age(file, -3600)  # the clock of the file's host is ahead
    assert handler(watched) is None
    assert handler(watched) == "new"


@pytest.mark.parametrize("content", ["", "   \n"])
def test_an_empty_file_is_not_new(file: Path, watched: ConfigFile, content: str) -> None:
    in_place(file, content)
    assert handler(watched) is None


def test_a_file_that_is_missing_for_a_moment_is_not_new(file: Path, watched: ConfigFile) -> None:
    file.unlink()
    assert handler(watched) is None
    in_place(file, text("new"))
    assert handler(watched) == "new"


def test_a_wrong_edit_is_reported_once_and_a_right_one_is_seen_after_it(
    file: Path, watched: ConfigFile
) -> None:
    in_place(file, "version: 2\n")
    with pytest.raises(ConfigError, match=r"functions\.yaml:1:1"):
        watched.changed()
    assert handler(watched) is None
    in_place(file, text("new"))
    assert handler(watched) == "new"


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "too large", "not text"])
def test_an_unreadable_file_is_reported_once(file: Path, watched: ConfigFile, kind: str) -> None:
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.write_bytes(b"#" * (1024 * 1024 + 1) if kind == "too large" else b"\xff\xfe\x00")
    with pytest.raises(ConfigError):
        watched.changed()
    assert handler(watched) is None
    shutil.rmtree(file) if kind == "folder" else file.unlink()
    in_place(file, text("new"))
    assert handler(watched) == "new"
