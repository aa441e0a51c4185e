"""``fcplug events``: the list of kinds, and sample events with the caller's own values."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_origin

import pytest

from fcplug.events import decode, samples
from fcplug.events.kinds import TYPES
from support.commands import run, run_in_terminal
from support.lean import TOOLS, lean_python


@pytest.mark.parametrize("kind", TYPES)
def test_every_kind_prints_an_event_that_decodes_into_its_type(kind: str, tmp_path: Path) -> None:
    done = run("events", kind, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    type_ = samples.type_of(kind)
    assert isinstance(decode(done.stdout, type_), get_origin(type_) or type_)


def test_without_a_kind_all_kinds_are_listed_with_type_and_options(tmp_path: Path) -> None:
    rows = run("events", cwd=tmp_path).stdout.decode().splitlines()[1:]
    assert {tuple(row.split()[:2]) for row in rows} == set(TYPES.items())
    assert all(row == row.rstrip() for row in rows), "no spaces at line ends"
    (oss,) = [row for row in rows if row.startswith("oss ")]
    assert "--bucket --key" in oss


def test_the_list_as_json_has_the_same_kinds(tmp_path: Path) -> None:
    listed = json.loads(run("events", "--json", cwd=tmp_path).stdout)
    assert {row["kind"]: row["type"] for row in listed} == TYPES
    assert {row["kind"]: row["parameters"] for row in listed} == {
        kind: samples.parameters(kind) for kind in TYPES
    }


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_list_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", run_in_terminal(["events"], tmp_path, columns))
    lines = shown.splitlines()
    assert max(map(len, lines)) <= columns
    assert {line.split()[0] for line in lines if line[:1] != " "} - {"KIND"} == set(TYPES)
    for type_ in TYPES.values():
        assert type_ in shown, "no type is cut"


def test_a_width_of_no_columns_counts_as_unknown(tmp_path: Path) -> None:
    assert run("events", cwd=tmp_path, COLUMNS="0").stdout.startswith(b"KIND ")
    assert "there is no configuration" in run_in_terminal(["check"], tmp_path, columns=0)


def test_options_set_the_values_of_an_event(tmp_path: Path) -> None:
    done = run("events", "oss", "--bucket", "b", "--key", "é ü.jpg", "--size", "7", cwd=tmp_path)
    record = json.loads(done.stdout)["events"][0]
    assert record["oss"]["bucket"]["name"] == "b"
    assert (record["oss"]["object"]["key"], record["oss"]["object"]["size"]) == ("é ü.jpg", 7)


def test_json_and_truth_values_are_options_as_well(tmp_path: Path) -> None:
    done = run(
        "events", "http", "--query", '{"a": "1"}', "--is-base64-encoded", cwd=tmp_path
    )  # fmt: skip
    event = json.loads(done.stdout)
    assert (event["queryParameters"], event["isBase64Encoded"]) == ({"a": "1"}, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["osss"], "there is no sample event 'osss' (did you mean 'oss'?)"),
        (["oss", "--kay", "a"], "--key"),
        (["oss", "--size", "big"], "'big' is not a valid integer"),
        (["http", "--query", "{a"], "'{a' is not JSON"),
        (["oss", "--key", "\udcff"], "a value is not UTF-8"),
        (["http", "--body", "\udcff"], "a value is not UTF-8"),
        (["http", "--query", '{"a": "\\ud800"}'], "a value is not UTF-8"),
        (["http", "--query", "[1]"], "no event of the kind 'http' has these values"),
        (["--json", "oss"], "leave it out"),
    ],
)
def test_wrong_values_are_wrong_usage_and_print_no_event(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = run("events", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_cbor_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    shown = run_in_terminal(["events", "tablestore"], tmp_path)
    assert "is CBOR, and this is a terminal" in shown
    assert run("events", "tablestore", cwd=tmp_path).stdout == samples.event("tablestore")


def test_a_kind_whose_library_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    lean = lean_python(tmp_path / "venv", *TOOLS)
    done = run("events", "tablestore", cwd=tmp_path, python=lean)
    assert done.returncode == 1
    assert b"pip install" in done.stderr
    assert b"cbor2" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_ends_early_causes_no_error(tmp_path: Path) -> None:
    script = f"{sys.executable} -m fcplug events dts | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_shell_completes_kinds(tmp_path: Path) -> None:
    done = run(
        cwd=tmp_path, _FCPLUG_COMPLETE="bash_complete", COMP_WORDS="fcplug events oss",
        COMP_CWORD="2",
    )  # fmt: skip
    assert done.stdout.decode().split() == ["plain,oss", "plain,oss-eventbridge"]
