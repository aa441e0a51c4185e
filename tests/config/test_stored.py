"""What ``fcplug build`` stores of a configuration: the same as YAML, or not used at all."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fcplug.config import document, loader, stored, yaml_strict
from fcplug.config.file import SETTLED, ConfigFile
from fcplug.config.yaml_mistakes import UnreadableYamlError
from fcplug.errors import ConfigError
from fuzz.seeds import ENVIRON, SEEDS, changed
from support.stored import store

ROOT = Path(__file__).parents[2]
LARGE = """\
version: 1
runtime: {threads: 3}
defaults:
  middleware: [audit, {name: trace, settings: {k: [1, 1.5, 'two', null, true]}}]
functions:
  f:
    handler: greeter:handle   # a comment
    timeout: ${NUMBER}
    settings: {greeting: "Good ${TIME:-morning}, ${NAME}", big: 0xFFFFFFFFFFFFFFFF, all: $${NAME}}
  größe: {handler: index.handle, wrong: 1}
default: ${NAME}
"""
TEXTS = [*SEEDS, LARGE, (ROOT / "config" / "functions.yaml").read_text("utf-8")]


def outcome(path: Path, *, use_stored: bool) -> str:
    """Return a configuration with all its places as text, or its errors."""
    text = loader.read(str(path))
    kept = stored.load(str(path), text) if use_stored else None
    assert bool(kept) == use_stored
    try:
        read, problems = document.read(text, "f.yaml", ENVIRON, kept)
        found = [repr(read.values), repr(dict(read.locations)), repr(problems)]
        config = loader.parse(text, "f.yaml", ENVIRON, kept)
    except ConfigError as error:
        return f"{found} {error}"
    return f"{found} {config.runtime} {config.functions} {config.routes} {config.default}"


def stores(path: Path, text: str) -> bool:
    """Write a configuration and what is stored of it; return whether a build could."""
    try:
        _, _, findings = yaml_strict.read(text, lambda value: (value, []))
    except UnreadableYamlError:
        return False
    if findings:
        return False
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    store(path, text)
    return True


def test_a_stored_configuration_is_what_its_yaml_is(tmp_path: Path) -> None:
    path = tmp_path / "functions.yaml"
    compared = 0
    for text in (*TEXTS, *changed(1200)):
        if stores(path, text) and loader.read(str(path)) == text:
            assert outcome(path, use_stored=True) == outcome(path, use_stored=False)
            compared += 1
    assert compared > 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "functions.yaml"
    path.write_text("version: 1\nfunctions: {f: {handler: old}}\n")
    os.utime(path, (1e9, 1e9))
    return path


def handler(path: Path) -> tuple[str | None, ConfigFile]:
    file = ConfigFile(str(path), {})
    return file.load().functions["f"].handler, file


def test_an_edited_file_is_read_as_yaml_and_the_log_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store(path)
    path.write_text(path.read_text().replace("old", "new"))
    found, file = handler(path)
    with caplog.at_level(logging.INFO, "fcplug"):
        file.log_unused()
    assert found == "new"
    assert caplog.messages == [
        f"{path}.msgpack is not used, so that this start takes longer: "
        "the configuration was edited after fcplug build"
    ]


def test_an_edit_while_it_serves_is_read_as_yaml(path: Path) -> None:
    store(path)
    found, file = handler(path)
    assert found == "old"
    path.write_text(path.read_text().replace("old", "new"))
    os.utime(path, (1e9 + 10 * SETTLED,) * 2)
    changed = file.changed()
    assert changed
    assert changed.functions["f"].handler == "new"


def flipped(data: bytes) -> bytes:
    middle = len(data) * 3 // 4
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def valid_but_other(data: bytes) -> bytes:
    return data[: len(stored._MAGIC)] + b"\0\0\0\0" + msgspec.msgpack.encode(["", {}, []])


@pytest.mark.parametrize(
    "damage",
    [flipped, valid_but_other, lambda data: data[:-5], lambda _: b"", lambda data: b"x" + data],
    ids=["flipped", "other", "cut", "empty", "shifted"],
)
def test_a_damaged_store_is_not_used_and_the_log_says_so(
    path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    beside = store(path)
    beside.write_bytes(damage(beside.read_bytes()))
    found, file = handler(path)
    with caplog.at_level(logging.WARNING, "fcplug"):
        file.log_unused()
    assert found == "old"
    assert len(caplog.messages) == 1


def test_what_is_no_readable_file_is_not_used(path: Path) -> None:
    beside = path.with_name("functions.yaml.msgpack")
    beside.mkdir()
    assert handler(path)[0] == "old"
    beside.rmdir()
    os.mkfifo(beside)
    assert handler(path)[0] == "old"


def test_a_file_without_a_store_says_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, file = handler(path)
    with caplog.at_level(logging.DEBUG, "fcplug"):
        file.log_unused()
    assert caplog.messages == []


def test_a_missing_variable_is_reported_at_its_place(path: Path) -> None:
    path.write_text("version: 1\nfunctions:\n  f: {handler: '${NOWHERE}'}\n")
    store(path)
    with pytest.raises(ConfigError, match=r"functions.yaml:3:16: functions.f.handler: the env"):
        handler(path)
