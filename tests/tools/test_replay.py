"""``fcplug replay`` and ``fcplug diff``: real recordings, platforms and configurations."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fcplug.recording.record import Answer, Record, Request, body_of, encode
from support import commands
from support.deployed import PATIENCE, deploy
from support.running import dev, run, temporary
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f: {handler: index.f}
  site: {wsgi: "index:site"}
  odd: {handler: index.odd}
"""
CODE = """\
import os, time

def f(event, context):
    if event == b"fail":
        raise ValueError("no")
    if event == b"bytes":
        return b"\\xff\\x00"
    return {"said": event.decode(), "id": context.request_id, "time": time.time()}

def site(environ, start_response):
    start_response("201 Created", [("Content-Type", "text/plain"), ("Set-Cookie", "a=secret")])
    return [environ["REQUEST_METHOD"].encode(), b" one\\n", environ["wsgi.input"].read()]

def odd(event, context):
    os._exit(3)
"""
TIME = ("--ignore", "$.time")


def record(number: int, function: str, request: Request, answer: Answer) -> bytes:
    at = f"2026-11-27T07:00:00.{number:03}Z"
    return encode(
        Record(
            version=1,
            at=at,
            function=function,
            kind="http" if request.method else "sync",
            request_id=f"1-6b092d56-d51c2b98-{number:012}",
            request=request,
            answer=answer,
        )
    )


def said(number: int) -> Answer:
    document = {"said": "Ada", "id": f"1-6b092d56-d51c2b98-{number:012}", "time": 0}
    return Answer(body=json.dumps(document))


RECORDING = [
    record(1, "f", Request(body="Ada"), said(1)),
    record(2, "f", Request(body="bytes"), Answer(**body_of(b"\xff\x00"))),
    record(
        3, "f", Request(body="fail"),
        Answer(error_type="UnhandledInvocationError",
               body='{"errorMessage": "no", "errorType": "ValueError", "stackTrace": []}'),
    ),
    record(
        4, "site", Request("PUT", "/a%20b?x=1", [("x-a", "1"), ("host", "shop")], "two"),
        Answer(201, headers=[("content-type", "text/plain"), ("set-cookie", "a=[removed]")],
               body="PUT one\ntwo"),
    ),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = deploy(tmp_path / "project", CONFIG, {"index.py": CODE})
    (folder / "all.jsonl").write_bytes(b"".join(RECORDING))
    return folder


def second(project: Path, code: str, config: str = CONFIG) -> str:
    """Make another version of the project, and return its configuration."""
    folder = project.parent / "second"
    (folder / "config").mkdir(parents=True)
    (folder / "index.py").write_text(code)
    (folder / "config" / "functions.yaml").write_text(config)
    return str(folder / "config" / "functions.yaml")


@pytest.mark.slow
def test_a_replay_at_the_platform_and_one_without_find_the_same(project: Path) -> None:
    with dev(project, "--no-reload", "--key", "ID=SECRET", SECRET="x") as platform:
        code, out, errors = run(project, "replay", "all.jsonl", *TIME)
        assert (code, out.splitlines()[-1]) == (0, "all 4 the same"), out + errors
        assert f"replaying at http://127.0.0.1:{platform.port}" in errors
        wait_until(lambda: platform.output.count("sync: 200") == 3)
        platform.wait_for(r"PUT /a%20b\?x=1: 201")
    code, out, errors = run(project, "replay", "all.jsonl", *TIME)
    assert (code, out.splitlines()[-1], errors) == (0, "all 4 the same", "")
    assert [line.split()[-1] for line in out.splitlines()[1:5]] == ["same"] * 4


def test_an_answer_that_differs_is_named_and_the_exit_code_is_1(project: Path) -> None:
    code, out, _ = run(project, "replay", "all.jsonl", "--function", "f")
    assert code == 1
    assert "differs: $.time" in out
    assert out.splitlines()[-1] == "2 the same, 1 differs"
    document = json.loads(run(project, "replay", "all.jsonl", "--json")[1])
    assert (document["same"], document["different"]) == (3, 1)
    assert document["requests"][0]["differences"][0]["at"] == "$.time"
    assert document["requests"][2]["after"]["errorType"] == "UnhandledInvocationError"


@pytest.mark.slow
def test_a_function_that_ends_its_process_or_hangs_is_an_answer_and_the_others_go_on(
    project: Path,
) -> None:
    hang = "import time\ndef odd(event, context): time.sleep(60)\n"
    code = CODE.replace("def odd", "def gone") + hang
    for text, limit, expected in ((CODE, "60", "ProcessEnded"), (code, "6", "TimedOut")):
        (project / "index.py").write_text(text)
        lines = [record(0, "odd", Request(), Answer()), RECORDING[1]]
        (project / "odd.jsonl").write_bytes(b"".join(lines))
        done, out, errors = run(project, "replay", "odd.jsonl", "--timeout", limit)
        assert done == 1, errors
        assert expected in out.splitlines()[1]
        assert out.splitlines()[-1] == "1 the same, 1 differs"


def test_diff_shows_where_two_configurations_differ(project: Path) -> None:
    code = CODE.replace('"said": event', '"said": "Hi " + event').replace("one\\n", "1\\n")
    other = second(project, code.replace("\\xff", "\\xfe"))
    done, out, errors = run(
        project, "diff", "all.jsonl", "--config", "config/functions.yaml", "--config", other, *TIME
    )
    assert (done, errors) == (1, "")
    assert '#1 f  Ada\n  $.said  "Ada" -> "Hi Ada"\n' in out
    assert "#2 f  bytes\n  body  2 bytes, sha256 " in out
    assert "#4 site  PUT /a%20b?x=1\n  body\n" in out
    assert "    -PUT one\n    +PUT 1\n" in out
    assert out.splitlines()[-1] == "1 the same, 3 differ"


def test_diff_says_that_another_function_answered(project: Path) -> None:
    config = CONFIG + "  g: {handler: index.f}\nroutes: [{match: {function: f}, to: g}]\n"
    other = second(project, CODE, config)
    sides = ["--config", "config/functions.yaml", "--config", other]
    done, out, _ = run(project, "diff", "all.jsonl", *sides, *TIME)
    assert done == 0
    assert out.splitlines()[0] == "all 4 the same"
    assert "3 of the same answers by f (index.f) -> g (index.f)" in out
    document = json.loads(run(project, "diff", "all.jsonl", *sides, *TIME, "--json")[1])
    assert document["requests"][0]["after"]["function"] == "g"


def test_diff_with_one_side_compares_with_the_recorded_answers(project: Path) -> None:
    assert run(project, "diff", "all.jsonl", *TIME)[:2] == (0, "all 4 the same\n")
    done, out, _ = run(project, "diff", "all.jsonl", "--python", sys.executable)
    assert done == 1
    assert out.splitlines()[:2] == ["#1 f  Ada", out.splitlines()[1]]
    assert out.splitlines()[1].startswith("  $.time  0 -> ")


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["replay", "none.jsonl"], 1, "none.jsonl cannot be read: No such file or directory"),
        (["replay", "all.jsonl", "--function", "g"], 1, "it has: f, site"),
        (["replay", "index.py"], 1, "index.py:1: no recorded request"),
        (["replay", "all.jsonl", "--ignore", "time"], 2, "--ignore 'time' names no place"),
        (["diff", "all.jsonl", "--config", "none.yaml"], 1, "there is no such file"),
        (["diff", "all.jsonl", *["--config", "a"] * 3], 2, "two configurations can be compared"),
        (["diff", "all.jsonl", "--python", "/none"], 1, "/none cannot be run"),
        (["diff", "all.jsonl", "--python", shutil.which("true") or ""], 1, "cannot run"),
        (["diff", "all.jsonl", "--python", shutil.which("echo") or ""], 1, "cannot run"),
    ],
)
def test_what_cannot_be_replayed_is_an_error(
    project: Path, arguments: list[str], code: int, what: str
) -> None:
    done, out, errors = run(project, *arguments)
    assert (done, out) == (code, "")
    assert what in errors
    assert "Traceback" not in errors


def test_a_python_without_fcplug_is_an_error_with_the_command_that_installs_it(
    project: Path,
) -> None:
    python = project.parent / "bare python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
    python.chmod(0o755)
    done, out, errors = run(project, "diff", "all.jsonl", "--python", str(python))
    assert (done, out) == (1, "")
    assert errors.splitlines()[-2:] == [
        f"{python} cannot run config/functions.yaml: ModuleNotFoundError: No module named 'fcplug'",
        f"  fix: '{python}' -m pip install 'fcplug[tools]', and the plugins of this configuration",
    ]


def test_a_configuration_with_mistakes_is_reported_with_their_lines(project: Path) -> None:
    (project / "config" / "functions.yaml").write_text("version: 1\nfunctions: 7\n")
    done, _, errors = run(project, "diff", "all.jsonl")
    assert done == 1
    assert "functions.yaml:2" in errors


@pytest.mark.parametrize("columns", [40, 80])
def test_a_difference_fits_a_narrow_terminal_and_has_colours(project: Path, columns: int) -> None:
    text = commands.run_in_terminal(
        ["diff", "all.jsonl"], project, columns, TMPDIR=str(temporary(project))
    )
    assert "\x1b[1mf" in text
    assert "1 differs" in text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_replay_and_its_process_at_once(
    project: Path, number: signal.Signals, code: int
) -> None:
    hang = "def odd(event, context):\n    open('pid', 'w').write(str(os.getpid()))\n"
    (project / "index.py").write_text(f"{CODE}\n{hang}    time.sleep(3600)\n")
    (project / "odd.jsonl").write_bytes(record(0, "odd", Request(), Answer()))
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "replay", "odd.jsonl", "--timeout", "3600"],
        cwd=project,
        env=commands.unmeasured(TMPDIR=str(temporary(project))),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pid = project / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert b"Traceback" not in errors
    wait_until(lambda: not Path(f"/proc/{pid.read_text()}").exists())
