"""Reading the configuration file: any file and any text gives a Config or a ConfigError."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fcplug.config import loader
from fcplug.errors import ConfigError
from support.privileges import without_privileges

HELLO = b"version: 1\nfunctions:\n  hello: {handler: hello}\n"
BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def error_of(file: Path | str) -> str:
    with pytest.raises(ConfigError) as error:
        loader.load(str(file), {})
    return str(error.value)


@pytest.mark.parametrize(
    "data",
    [HELLO, b"\xef\xbb\xbf" + HELLO, HELLO.replace(b"\n", b"\r\n"), HELLO.replace(b"\n", b"\r")],
    ids=["plain", "byte-order-mark", "windows", "old-mac"],
)
def test_a_file_is_read_with_the_line_ends_of_any_editor(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "functions.yaml"
    file.write_bytes(data)
    assert list(loader.load(str(file), {}).functions) == ["hello"]


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(HELLO)
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    assert loader.load(str(tmp_path / "link.yaml"), {}).file == str(tmp_path / "link.yaml")


def test_variables_of_a_file_are_read_from_the_given_environment(tmp_path: Path) -> None:
    file = tmp_path / "functions.yaml"
    file.write_bytes(HELLO + b"default: ${NAME}\n")
    assert loader.load(str(file), {"NAME": "hello"}).default == "hello"


def test_a_file_may_have_one_mebibyte_and_no_byte_more(tmp_path: Path) -> None:
    file = tmp_path / "functions.yaml"
    file.write_bytes(HELLO + b"#" * (loader.MAX_FILE_SIZE - len(HELLO)))
    assert loader.load(str(file), {}).functions
    with file.open("ab") as stream:
        stream.write(b"#")
    assert error_of(file) == f"{file}: cannot be read: larger than 1048576 bytes"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"\xff", "1:1: not UTF-8: invalid start byte"),
        (b"a: 1\nb: \xe4\n", "2:4: not UTF-8: invalid continuation byte"),
        (b"\xef\xbb\xbfa: \xc3", "1:4: not UTF-8: unexpected end of data"),
        (HELLO.decode().encode("utf-16"), "1:1: not UTF-8: invalid start byte"),
        (b"\xed\xa0\x80", "1:1: not UTF-8: invalid continuation byte"),
    ],
    ids=["a-byte", "latin-1", "cut", "utf-16", "a-surrogate"],
)
def test_a_file_that_is_not_utf_8_is_reported_with_its_location(
    tmp_path: Path, data: bytes, where: str
) -> None:
    file = tmp_path / "functions.yaml"
    file.write_bytes(data)
    assert error_of(file) == f"{file}:{where}\n  fix: save the file as UTF-8"


def test_a_folder_is_rejected(tmp_path: Path) -> None:
    assert error_of(tmp_path) == f"{tmp_path}: this is a folder: name the file in it"


def test_a_pipe_is_rejected_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert error_of(tmp_path / "pipe").endswith(": cannot be read: not a regular file")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_rejected_without_reading_it(device: str) -> None:
    assert error_of(device) == f"{device}: cannot be read: not a regular file"


def test_a_file_without_read_permission_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "functions.yaml"
    file.write_bytes(HELLO)
    file.chmod(0)
    with without_privileges():
        what, fix = error_of(file).splitlines()
        assert what.startswith(f"{file}: user {os.geteuid()} may not read it")
        assert fix == f"  fix: chmod a+r {file}, and a+x the folders above it, or run as its owner"


def test_a_ring_of_links_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    assert "cannot be read: Too many levels of symbolic links" in error_of(tmp_path / "a")


def test_no_rejection_leaves_a_file_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "bytes", tmp_path / "none"):
        before = os.dup(0)
        os.close(before)
        error_of(path)
        after = os.dup(0)
        os.close(after)
        assert after == before


def test_a_file_of_many_functions_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "functions.yaml"
    entries = "".join(f"  f{number}: {{handler: h}}\n" for number in range(500))
    file.write_text(f"version: 1\nfunctions:\n{entries}", "utf-8")
    assert len(loader.load(str(file), {}).functions) == 500


PIECE = st.sampled_from(
    [
        *("version: 1\n", "functions:\n", "  hello: {handler: h}\n", "routes:\n", "default: "),
        *(
            "runtime: {",
            "match: ",
            "to: ",
            "handler: ",
            "timeout: ",
            "${A}",
            "${B:-1}",
            "${",
            "$${",
        ),
        *("{", "}", "[", "]", ", ", ": ", ":", "- ", "  - ", "? ", ">\n", "|9\n", "'", '"', "\\"),
        *("\n", "\n  ", "\n    ", "\t", "\r", "\x85", "\u2028", "\x00", "\ufeff", "# c\n", "é"),
        *("&a ", "*a", "<<", "!!str ", "!x ", "%YAML 1.1\n", "%TAG ! x\n", "---\n", "...\n"),
        *("\\U0011FFFF", '"\\uD800"', "010", "1e3", ".nan", "no", "2024-01-01", "9" * 20, "null"),
    ]
)

KEY = st.sampled_from(
    [
        *("version", "functions", "runtime", "defaults", "routes", "default", "threads", "timeout"),
        *("log_format", "health_path", "middleware", "settings", "handler", "name", "match", "to"),
    ]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | PIECE | KEY
VALUE = st.recursive(
    PLAIN, lambda it: st.lists(it, max_size=3) | st.dictionaries(KEY | PIECE, it, max_size=4)
)
SHAPED = st.fixed_dictionaries(
    {"version": st.just(1) | PLAIN, "functions": st.dictionaries(KEY, VALUE, max_size=2)},
    optional=dict.fromkeys(("runtime", "defaults", "routes", "default", "rutime"), VALUE),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(max_size=60)
    | st.lists(PIECE, max_size=25).map("".join)
    | (SHAPED | VALUE).map(json.dumps)
)
@example(text='"\\uD800":')
def test_any_text_is_a_configuration_or_is_reported_on_separate_lines(text: str) -> None:
    try:
        loader.parse(text, "f.yaml", {"A": "\udcff"})
    except ConfigError as error:
        problems = error.problems
    else:
        return
    assert problems
    lines = len(BREAKS.split(text))
    for problem in problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert len(str(problem).encode().decode().splitlines()) == 1
