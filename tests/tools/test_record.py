"""``fcplug record`` against a running platform."""

import signal
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fcplug.recording import file
from support import commands
from support.deployed import PATIENCE, deploy
from support.running import Platform, dev, run, temporary
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f: {handler: index.f}
  site: {wsgi: "index:site"}
"""
CODE = """\
def f(event, context):
    if event == b"fail":
        raise ValueError("no")
    return event

def site(environ, start_response):
    start_response("201 Created", [("Content-Type", "text/plain"), ("Set-Cookie", "a=secret")])
    return [environ["wsgi.input"].read()]
"""


def web(platform: Platform, body: bytes) -> int:
    path = "/2016-08-15/proxy/default/site/a%20b?x=1"
    with closing(HTTPConnection("127.0.0.1", platform.port, timeout=PATIENCE)) as connection:
        connection.request("PUT", path, body, {"Authorization": "secret", "X-A": "1"})
        return connection.getresponse().status


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return deploy(tmp_path / "project", CONFIG, {"index.py": CODE})


def test_live_requests_are_recorded_until_ctrl_c_with_every_byte(project: Path) -> None:
    with dev(project, "--no-reload") as platform:
        platform.invoke("f", b"before")
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", "record", "-o", "all.jsonl"],
            cwd=project,
            env=commands.environment(TMPDIR=str(temporary(project))),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until((project / "all.jsonl").exists)
        assert process.stdout is not None
        sent = [b"text", bytes(range(256)), b"fail"]
        for event in sent:
            platform.invoke("f", event)
        assert web(platform, b"\xff") == 201
        for _ in range(4):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"4 requests in all.jsonl" in errors
    assert b"request header authorization (1)" in errors
    *events, site = file.read(str(project / "all.jsonl"))
    assert [each.request.content for each in events] == sent
    assert [each.answer.error_type for each in events] == ["", "", "UnhandledInvocationError"]
    assert (site.request.method, site.request.target) == ("PUT", "/a%20b?x=1")
    assert ("x-a", "1") in [tuple(field) for field in site.request.headers]
    assert (site.answer.status, site.answer.content) == (201, b"\xff")
    assert "secret" not in (project / "all.jsonl").read_text()


def test_the_history_is_recorded_by_function_and_added_to_what_is_there(project: Path) -> None:
    with dev(project, "--no-reload") as platform:
        platform.invoke("f", b"one")
        web(platform, b"two")
        code, out, errors = run(project, "record", "--history", "--function", "site")
        assert code == 0, errors
        assert "PUT /a%20b?x=1: 201 in" in out
        assert run(project, "record", "--history", "-o", "recording.jsonl")[0] == 0
        found = file.read(str(project / "recording.jsonl"))
        assert sorted(each.function for each in found) == ["f", "site", "site"]
        code, _, errors = run(project, "record", "--history", "-o", "index.py")
        assert code == 1
        assert "index.py is there already and is no recording" in errors
    assert (project / "index.py").read_text() == CODE


def test_without_a_platform_no_file_is_made(project: Path) -> None:
    code, _, errors = run(project, "record")
    assert code == 1
    assert "fix: start one here in another terminal: fcplug dev" in errors
    assert not (project / "recording.jsonl").exists()
