"""The file of a recording: bytes that come back, a kill, a full disk, files of others."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fcplug.recording import file
from fcplug.recording.file import RecordingError, Writer
from fcplug.recording.record import Answer, Record, Request, body_of, decode, encode
from support.commands import unmeasured


def record(number: int = 0, function: str = "f", content: bytes = b"") -> Record:
    at = f"2026-11-27T07:00:00.{number:03}Z"
    body = body_of(content)
    return Record(
        version=1, at=at, function=function, request=Request(**body), answer=Answer(**body)
    )


@pytest.mark.parametrize(
    "content", [b"", b"text", "é\u2028\x00\n".encode(), bytes(range(256)), b"\xff" * 100_000]
)
def test_every_body_comes_back_and_a_record_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    writer = Writer(str(path))
    writer.add(record(content=content))
    writer.close()
    (found,) = file.read(str(path))
    assert found.request.content == found.answer.content == content
    assert path.read_bytes().count(b"\n") == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_text_is_text_and_base64_only_where_it_is_not() -> None:
    assert b'"body":"\xc3\xa9"' in encode(record(content="é".encode()))
    assert b'"bodyBase64":"/w=="' in encode(record(content=b"\xff"))


def test_a_folder_has_a_file_for_each_function_and_is_read_in_order(tmp_path: Path) -> None:
    writer = Writer(f"{tmp_path}/all/")
    for number, function in enumerate(["b", "a", "b", "../odd"]):
        writer.add(record(number, function))
    writer.close()
    assert sorted(os.listdir(tmp_path / "all")) == ["..%2Fodd.jsonl", "a.jsonl", "b.jsonl"]
    found = file.read(str(tmp_path / "all"))
    assert [each.function for each in found] == ["b", "a", "b", "../odd"]
    assert [each.function for each in file.read(str(tmp_path / "all"), ["a"])] == ["a"]


def test_a_last_line_without_its_end_is_left_out_and_cut_off_by_the_next_writer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode(record(1)) + encode(record(2, content=b"x" * 200_000))[:-5])
    assert len(file.read(str(path))) == 1
    writer = Writer(str(path))
    writer.add(record(3))
    writer.close()
    assert [decode(line).at[-4:-1] for line in path.read_bytes().splitlines()] == ["001", "003"]


PROGRAM = """\
import sys
from fcplug.recording.file import Writer
from fcplug.recording.record import Record, Request
writer = Writer(sys.argv[1])
line = Record(version=1, at="2026", function="f", request=Request(body="x" * 300_000))
while True:
    writer.add(line)
    print(flush=True)
"""


def test_a_kill_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], env=unmeasured(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    found = file.read(str(path))
    assert len(found) >= 5
    assert {len(each.request.body) for each in found} == {300_000}


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        env=unmeasured(),
        capture_output=True,
        preexec_fn=limit,
        check=False,
    )
    assert f"{path} cannot be written: File too large".encode() in done.stderr
    assert path.read_bytes().endswith(b"\n")
    assert len(file.read(str(path))) == 3


@pytest.mark.parametrize("content", [b"print('mine')\n", b"{}\n", b"mine", b'{"a": 1}\n{"b"'])
def test_a_file_that_is_no_recording_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="is no recording"):
        Writer(str(path))
    assert path.read_bytes() == content


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path / "a"))
    with pytest.raises(RecordingError, match="another process writes"):
        Writer(str(tmp_path / "a"))
    writer.close()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "has no recorded requests"),
        (b'{"version":2}\n', r"a.jsonl:1: no recorded request"),
        (encode(record()) + b"{}\n", r"a.jsonl:2: no recorded request"),
        (encode(record()).replace(b'"request":{', b'"request":{"bodyBase64":"?"'), "not base64"),
    ],
)
def test_an_odd_file_is_an_error_with_its_line(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=what):
        file.read(str(path))


def test_a_missing_file_and_a_missing_function_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        file.read(str(tmp_path / "none"))
    (tmp_path / "a").write_bytes(encode(record()))
    with pytest.raises(RecordingError, match="has no requests of g; it has: f"):
        file.read(str(tmp_path / "a"), ["g"])
