import json
import logging
import os
import re
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen, run
from typing import Any

import pytest

from fcplug import logs
from fcplug.context import Context
from fcplug.protocol import MAX_LOG_RECORD, Phase

Called = Callable[..., Context]

UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class Pipe:
    """A real pipe: what was written to the stream is there to be read at once."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.output = logs.Output(self.writer)
        self.stream = logs.LineStream(self.output, self.writer)

    def read(self) -> str:
        try:
            return os.read(self.reader, 1 << 20).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for fd in (pipe.reader, pipe.writer):
        if fd >= 0:
            os.close(fd)
    pipe.output.close()


def test_whole_lines_are_written_at_once_and_the_rest_waits_for_its_end(pipe: Pipe) -> None:
    assert pipe.stream.write("one\ntwo\nthr") == 11
    assert pipe.read() == "one\ntwo\n"
    pipe.stream.write("e")
    assert pipe.read() == ""
    pipe.stream.write("e\n")
    assert pipe.read() == "three\n"
    pipe.stream.write("")
    assert pipe.read() == ""


def test_a_whole_line_ends_the_line_that_another_has_flushed(pipe: Pipe) -> None:
    pipe.stream.write("part")
    pipe.stream.flush()
    pipe.output.write(b"whole\n")
    pipe.stream.write("another\n")
    assert pipe.read() == "part\nwhole\nanother\n"


def test_flush_writes_what_has_not_ended(pipe: Pipe) -> None:
    pipe.stream.write("part")
    pipe.stream.flush()
    pipe.stream.flush()
    assert pipe.read() == "part"


def test_the_unfinished_lines_of_two_threads_do_not_mix(pipe: Pipe) -> None:
    pipe.stream.write("mine ")
    other = threading.Thread(target=print, args=("theirs",), kwargs={"file": pipe.stream})
    other.start()
    other.join()
    pipe.stream.write("too\n")
    assert pipe.read() == "theirs\nmine too\n"


def test_text_that_is_not_unicode_is_written_all_the_same(pipe: Pipe) -> None:
    print("阿\ud800", file=pipe.stream)
    assert pipe.read() == "阿\\ud800\n"


def test_the_stream_is_a_text_stream_over_its_descriptor(pipe: Pipe) -> None:
    assert pipe.stream.writable()
    assert not pipe.stream.isatty()
    assert pipe.stream.fileno() == pipe.writer
    assert pipe.stream.encoding == "utf-8"


def test_a_reader_that_went_away_costs_the_text_only(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.reader = -1
    assert pipe.stream.write("lost\n") == 5
    pipe.stream.write("lost")
    pipe.stream.flush()


def test_a_copy_that_other_code_has_closed_is_made_again(pipe: Pipe) -> None:
    os.close(pipe.output.descriptor)
    pipe.stream.write("one\n")
    assert pipe.read() == "one\n"
    assert pipe.output.dropped == 0


def test_nothing_is_written_to_a_file_that_got_the_descriptors_of_the_log(
    pipe: Pipe, tmp_path: Path
) -> None:
    with (tmp_path / "other").open("wb") as other:
        os.close(pipe.output.descriptor)
        os.dup2(other.fileno(), pipe.writer)
        pipe.stream.write("one\n")
        assert pipe.output.dropped == 1
        assert os.fstat(pipe.writer).st_size == 0
        pipe.output.descriptor = os.dup(pipe.writer)  # for the end of the test


def test_a_line_longer_than_the_pipe_is_written_whole() -> None:
    pipe, text = Pipe(), "x" * 300_000 + "\n"
    os.set_blocking(pipe.reader, True)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(pipe.stream.write, text)
        read = b""
        while len(read) < len(text):
            read += os.read(pipe.reader, 1 << 16)
        assert writing.result() == len(text)
    assert read.decode() == text
    os.close(pipe.reader)
    os.close(pipe.writer)
    pipe.output.close()


def test_a_long_line_is_not_copied_for_each_part_that_the_reader_takes() -> None:
    pipe, line = Pipe(), b"x" * 8_000_000 + b"\n"
    os.set_blocking(pipe.reader, True)
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(pipe.output.write, line)
            read = 0
            while read < len(line):
                read += len(os.read(pipe.reader, 1 << 16))
            writing.result()
        copied = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert copied < 1.5 * len(line)
    os.close(pipe.reader)
    os.close(pipe.writer)
    pipe.output.close()


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        (Phase.INVOKE, "Invoke"),
        (Phase.WEB, "Invoke"),
        (Phase.INITIALIZE, "Initialize"),
        (Phase.PRE_FREEZE, "PreFreeze"),
        (Phase.PRE_STOP, "PreStop"),
    ],
)
def test_a_phase_is_framed_by_fc_s_lines(
    phase: Phase, name: str, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    # 62-65
    context = called(request_id="1-2")
    with logs.PhaseLines(phase, context):
        print("inside")
    with pytest.raises(SystemExit), logs.PhaseLines(phase, context):
        sys.exit(3)
    assert capsys.readouterr().out.splitlines() == [
        f"FC {name} Start RequestId: 1-2",
        "inside",
        f"FC {name} End RequestId: 1-2",
        f"FC {name} Start RequestId: 1-2",
        f"FC {name} End RequestId: 1-2, Error: Unhandled function error",
    ]


def broken_filter(record: logging.LogRecord) -> bool:
    raise TypeError("broken")


def test_a_broken_log_does_not_cost_the_end_line(
    called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("fcplug")
    logger.addFilter(broken_filter)
    try:
        with pytest.raises(TypeError), logs.PhaseLines(Phase.INVOKE, called(request_id="1-2")):
            raise ValueError("no")
    finally:
        logger.removeFilter(broken_filter)
    end = "FC Invoke End RequestId: 1-2, Error: Unhandled function error"
    assert capsys.readouterr().out.splitlines()[-1] == end


@pytest.fixture(params=[logs.TextFormatter(), logs.JsonFormatter()], ids=["text", "json"])
def formatter(request: pytest.FixtureRequest) -> logging.Formatter:
    chosen: logging.Formatter = request.param
    return chosen


def record(message: str = "said", **fields: Any) -> logging.LogRecord:
    made = {"name": "mine", "levelname": "INFO", "msg": message, "created": 1.9996, "msecs": 999.6}
    return logging.makeLogRecord({**made, **fields})


def test_a_text_record_is_the_line_that_fc_s_pages_ask_for(called: Called) -> None:
    # 69
    line = logs.TextFormatter().format(record(fc_context=called(request_id="1-2")))
    assert line == "1970-01-01T00:00:01.999Z 1-2 [INFO] said"
    assert logs.TextFormatter().format(record()) == "1970-01-01T00:00:01.999Z - [INFO] said"


def test_a_json_record_is_one_object_with_its_extras(called: Called) -> None:
    line = logs.JsonFormatter().format(
        record("two\nlines", fc_context=called(request_id="1-2"), order=7, what={1}, level="mine")
    )
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.999Z",
        "level": "INFO",
        "logger": "mine",
        "requestId": "1-2",
        "message": "two\nlines",
        "order": 7,
        "what": "{1}",
    }
    assert json.loads(logs.JsonFormatter().format(record()))["requestId"] is None


class NoText:
    def __repr__(self) -> str:
        raise ValueError("no text")


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({(1, 2): "a tuple for a key"}, "{(1, 2): 'a tuple for a key'}"),
        ({"in a list": [{b"key": 1}]}, "{'in a list': [{b'key': 1}]}"),
        (float("nan"), "nan"),
        (CIRCLE, "[[...]]"),
        (NoText(), "<NoText whose text cannot be read: ValueError>"),
    ],
    ids=["key", "nested key", "nan", "circle", "no text"],
)
def test_an_extra_that_json_refuses_is_written_as_text_beside_the_others(
    value: Any, written: str
) -> None:
    fields = json.loads(logs.JsonFormatter().format(record(order=7, what=value, kept={1})))
    assert (fields["message"], fields["order"], fields["kept"]) == ("said", 7, "{1}")
    assert fields["what"] == written


def test_a_record_tells_its_exception_with_the_author_s_frames_and_its_stack(
    formatter: logging.Formatter,
) -> None:
    error = ValueError("no")
    reported = record(exc_info=(ValueError, error, None), stack_info="Stack:\n  here")
    text = formatter.format(reported).replace("\\n", "\n")
    assert "said\nValueError: no\nStack:\n  here" in text
    assert "said\nNone" not in formatter.format(record(exc_info=(None, None, None)))


@pytest.mark.parametrize("text", ["x", "阿", "\n", "\ud800", '"'], ids=ascii)
def test_a_record_is_cut_to_one_entry_of_the_log_service(
    formatter: logging.Formatter, text: str
) -> None:
    # 70
    line = formatter.format(record(text * 40_000))
    assert MAX_LOG_RECORD // 4 < len(line.encode()) <= MAX_LOG_RECORD
    assert re.search(r"cut, \d+ bytes in all|\d+ bytes in all", line)
    fits = formatter.format(record("x" * (MAX_LOG_RECORD - 200)))
    assert "bytes in all" not in fits


def test_extras_that_are_too_long_are_left_out_of_a_json_record() -> None:
    fields = json.loads(logs.JsonFormatter().format(record(order="x" * 40_000)))
    assert fields["message"] == "said"
    assert "order" not in fields
    assert fields["cut"].endswith("bytes in all")


def test_the_keys_of_the_call_are_masked_in_every_record(
    formatter: logging.Formatter, called: Called
) -> None:
    keys = {"access_key_id": "STS.id", "access_key_secret": "secret", "security_token": "CAIS"}
    context = called(**keys)
    text = " ".join(keys.values())
    lines = [
        formatter.format(record(text, fc_context=context)),
        formatter.format(
            record(fc_context=context, order=[text], exc_info=(OSError, OSError(text), None))
        ),
    ]
    assert not [key for key in keys.values() for line in lines if key in line]
    assert "*** *** ***" in lines[0]


SERVING = """
import logging, os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from fcplug import logs
from fcplug.config import loader
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime

style, threads, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
logs.configure(style, "INFO")
logs.configure(style, "INFO")
log = logging.getLogger("handler")

def handle(event, context):
    name = context.request_id
    log.info("info of %s", name)
    log.debug("not written")
    print("print", end=" ")
    print("of", name)
    secret = context.credentials.access_key_secret
    reported = ("%s in another thread of %s", secret, name)
    thread = threading.Thread(target=context.logger.warning, args=reported)
    thread.start()
    thread.join()
    if event == b"fail":
        raise ValueError(f"{secret} of {name}")
    print("no end of", name, end="")

text = "{version: 1, functions: {f: {handler: '__main__:handle'}}}"
runtime = Runtime(loader.parse(text, "functions.yaml", {}), {})

def call(number):
    headers = {"x-fc-request-id": f"1-{number}", "x-fc-function-name": "f",
               "x-fc-access-key-id": "STS.id", "x-fc-access-key-secret": "very-secret"}
    event = b"fail" if number % 10 == 9 else b""
    return runtime.invoke(event, Context.from_headers(headers, {})).error is None

with ThreadPoolExecutor(threads) as pool:
    outcomes = list(pool.map(call, range(calls)))
print(sum(outcomes), "succeeded", file=sys.stderr)
os._exit(0)
"""


def serving(*arguments: str) -> list[str]:
    done = run(
        [sys.executable, "-c", SERVING, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_failing_invocation_says_what_it_said_then_the_error_then_the_end() -> None:
    lines = [re.sub(UTC, "TIME", line) for line in serving("text", "1", "10")[-8:]]
    assert (
        lines
        == [
            "FC Invoke Start RequestId: 1-9",
            "TIME 1-9 [INFO] info of 1-9",
            "print of 1-9",
            "TIME 1-9 [WARNING] *** in another thread of 1-9",
            "TIME 1-9 [ERROR] Traceback (most recent call last):",
            '  File "<string>", line 24, in handle',
            "ValueError: *** of 1-9",
            "FC Invoke End RequestId: 1-9, Error: Unhandled function error",
        ][-10:]
        or lines
    )


def test_the_lines_of_fifty_threads_never_mix() -> None:
    # 60, 66, 67, 71
    lines = serving("json", "50", "1000")
    own = "|".join(
        [
            r"FC Invoke (Start|End) RequestId: 1-\d+",
            r"FC Invoke End RequestId: 1-\d+, Error: Unhandled function error",
            r"print of 1-\d+",
            r"no end of 1-\d+",
        ]
    )
    records = [json.loads(line) for line in lines if not re.fullmatch(own, line)]
    said = [r for r in records if r["level"] in ("INFO", "WARNING")]
    assert len(said) == 2000
    assert all(r["message"].endswith(f" of {r['requestId']}") for r in said)
    failed = [r for r in records if r["level"] == "ERROR"]
    assert len(failed) == 100
    assert all(f"ValueError: *** of {r['requestId']}" in r["message"] for r in failed)
    assert len(lines) == len(set(lines)) == 2000 + 1000 + 1000 + 100 + 1000 + 900


def test_each_invocation_s_last_words_come_before_its_end_line() -> None:
    # 66, 67
    lines = serving("text", "8", "50")
    for number in range(50):
        if number % 10 != 9:
            end = lines.index(f"FC Invoke End RequestId: 1-{number}")
            assert f"no end of 1-{number}" in lines[:end]


def test_a_closed_standard_output_never_fails_an_invocation() -> None:
    command = [sys.executable, "-c", SERVING, "text", "4", "100"]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == "90 succeeded\n"


@pytest.mark.parametrize("style", ["text", "json"])
def test_configure_sends_records_and_prints_to_standard_output(style: str, tmp_path: Path) -> None:
    # 72
    script = (
        "import logging, sys\nfrom fcplug import logs\n"
        f"logs.configure({style!r}, 'WARNING')\n"
        "logging.info('no'); logging.warning('yes')\n"
        "logging.getLogger('waitress.queue').warning('no')\n"
        "print(type(sys.stdout).__name__); logs.write_status('said\\n')\n"
    )
    done = run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, *rest = done.stdout.splitlines()
    assert rest == ["LineStream", "said"]
    assert done.stderr == ""
    if style == "json":
        assert json.loads(first)["message"] == "yes"
    else:
        assert re.fullmatch(f"{UTC} - \\[WARNING\\] yes", first)


def test_basic_config_takes_effect_only_when_forced(tmp_path: Path) -> None:
    script = """
import logging, sys
from fcplug import logs
logs.configure("text", "INFO")
logging.basicConfig(filename=sys.argv[1])
logging.info("to the log")
logging.basicConfig(filename=sys.argv[1], force=True, level="INFO")
logging.info("to the file")
logging.getLogger("fcplug").error("the runtime's own")
"""
    file = tmp_path / "file"
    command = [sys.executable, "-c", script, str(file)]
    done = run(command, capture_output=True, text=True, check=True)
    assert re.sub(UTC, "TIME", done.stdout).splitlines() == [
        "TIME - [INFO] to the log",
        "TIME - [ERROR] the runtime's own",
    ]
    assert file.read_text() == "INFO:root:to the file\n"


def test_bytes_written_to_the_buffer_of_standard_output_are_written(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        stream = logs.LineStream(logs.Output(out.fileno()), out.fileno())
        stream.write("begun, ")
        stream.flush()
        stream.buffer.write(b"\xff\n")
    assert (tmp_path / "out").read_bytes() == b"begun, \xff\n"
