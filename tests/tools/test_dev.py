"""``fcplug dev``: real processes started, called, reloaded and ended on this machine."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fcplug.platform.signatures import SignedRequest, sign
from support.commands import unmeasured
from support.deployed import PATIENCE, deploy
from support.isolated import runs
from support.running import dev, run, signal_another_thread, temporary
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f: {handler: "index:Handler"}
  other: {handler: index.other}
"""
CODE = """\
import os
from fcplug import hookimpl

class Handler:
    @hookimpl
    def initialize(self, context):
        print("initialize", context.request_id)
    @hookimpl
    def invoke(self, event, context):
        print("called with", event)
        return "one"
    @hookimpl
    def pre_stop(self, context):
        with open("stopped", "a") as file:
            file.write(f"{os.getpid()}\\n")

def other(event, context):
    return str(os.getpid())
"""
SERVER = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        print("got", body.decode())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from another runtime: " + body)
    def log_message(self, *given):
        pass

HTTPServer(("127.0.0.1", int(os.environ["FC_SERVER_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return deploy(tmp_path / "project", CONFIG, {"index.py": CODE})


def test_each_step_of_the_lifecycle_is_a_line(project: Path) -> None:
    with dev(project) as platform:
        assert platform.invoke("f", b"an event") == b"one"
        output = platform.wait_for(r"(?s)f .*sync: 200 in [\d.]+ ms")[0]
        steps = ["starts ./bootstrap", "listens after", "initializes after", "ready after"]
        steps += ["| called with b'an event'", "sync: 200 in"]
        found = [output.find(step) for step in steps]
        assert -1 not in found, output
        assert found == sorted(found), output
        assert platform.stop() == 0
        assert re.search(r"pre-stop: status 200(.|\n)*ended with exit code 0", platform.output)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_runs_pre_stop_and_leaves_no_process(
    project: Path, number: signal.Signals, code: int
) -> None:
    with dev(project) as platform:
        platform.invoke("f")
        other = int(platform.invoke("other"))
        assert runs(other)
        assert platform.stop(number) == code
        (stopped,) = (project / "stopped").read_text().split()
        assert not runs(int(stopped))
        assert not runs(other)
        assert "Traceback" not in platform.output


def test_a_runtime_that_is_not_fcplug_is_served(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    command = f"{sys.executable} -u server.py"
    with dev(tmp_path, "--command", command, "--function", "mine") as platform:
        assert platform.invoke("mine", b"Ada") == b"from another runtime: Ada"
        platform.wait_for("got Ada")
        assert platform.stop() == 0


def test_a_start_command_that_fails_is_reported_with_its_last_output(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("print('no such luck')\nraise SystemExit(3)\n")
    command = f"{sys.executable} server.py"
    with dev(tmp_path, "--command", command, "--function", "mine") as platform:
        assert b"CAExited" in platform.invoke("mine")
        platform.wait_for("no such luck")
        platform.wait_for("sync: 412, CAExited")


def test_a_stop_signal_that_another_thread_gets_counts(project: Path) -> None:
    with dev(project) as platform:
        platform.wait_for("functions: f, other")
        platform.invoke("f")
        signal_another_thread(platform.process.pid)
        assert platform.process.wait(PATIENCE) == 0


def test_a_port_in_use_is_an_error_that_names_another_one(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = run(project, "dev", "--port", str(port))
    assert code == 1
    assert f"127.0.0.1:{port}" in errors
    assert "--port" in errors
    assert "Traceback" not in errors


def test_a_second_platform_over_a_folder_names_the_first(project: Path) -> None:
    with dev(project) as platform:
        code, _, errors = run(project, "dev", "--port", "0")
        assert code == 1
        assert f"process {platform.process.pid}" in errors
        assert f"http://127.0.0.1:{platform.port}" in errors


def test_after_a_platform_was_killed_another_can_start(project: Path) -> None:
    with dev(project) as platform:
        platform.process.kill()
        platform.process.wait(PATIENCE)
    with dev(project) as platform:
        assert platform.invoke("f") == b"one"


def test_without_bootstrap_the_error_says_how_to_make_one(project: Path) -> None:
    (project / "bootstrap").unlink()
    code, _, errors = run(project, "dev", "--port", "0")
    assert code == 2
    assert "fcplug bootstrap -o bootstrap" in errors


def test_a_bootstrap_that_may_not_be_run_is_reported_with_chmod(project: Path) -> None:
    (project / "bootstrap").chmod(0o644)
    code, _, errors = run(project, "dev", "--port", "0")
    assert code == 2
    assert f"chmod 755 {project / 'bootstrap'}" in errors


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--command", "true"], "--command and --function belong together"),
        (["--command", "'", "--function", "f"], "cannot be used"),
        (["--command", "true", "--function", "a/../b"], "'a/../b' cannot be a name"),
        (["--env", "THERE_IS_NONE"], "--env THERE_IS_NONE=VALUE"),
        (["--env", "=VALUE"], "--env needs a name: --env NAME=VALUE"),
        (["--host", ""], "--host needs an address"),
    ],
)
def test_wrong_usage_is_refused(project: Path, arguments: Sequence[str], what: str) -> None:
    code, _, errors = run(project, "dev", "--port", "0", *arguments)
    assert code == 2
    assert what in errors


def test_a_command_finds_the_platform_while_the_disk_is_full(project: Path) -> None:
    code = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    code += "sys.argv = ['fcplug', 'invoke', 'f']; runpy.run_module('fcplug', run_name='__main__')"
    with dev(project) as platform:
        found = subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=project, env=unmeasured(TMPDIR=str(temporary(project))),
            capture_output=True, check=False,
        )  # fmt: skip
        assert f"127.0.0.1:{platform.port}" in found.stderr.decode()
        assert found.stdout == b"one"


def test_an_edit_of_code_gives_the_next_call_a_new_instance(project: Path) -> None:
    with dev(project) as platform:
        assert platform.invoke("f") == b"one"
        (project / "index.py").write_text(CODE.replace("one", "two"))
        wait_until(lambda: platform.invoke("f") == b"two")
        platform.wait_for("changed: index.py")
    assert not (project / "__pycache__").exists()  # it would hide an edit of the same second


def test_a_mistake_is_reported_once_and_the_last_good_code_serves_on(project: Path) -> None:
    with dev(project) as platform:
        assert platform.invoke("f") == b"one"
        (project / "index.py").write_text("def (\n")
        platform.wait_for("the last good")
        assert platform.invoke("f") == b"one"
        (project / "config" / "functions.yaml").write_text("version: 1\nfunctions: 7\n")
        platform.wait_for(r"functions\.yaml:2")
        assert platform.invoke("f") == b"one"
        (project / "config" / "functions.yaml").write_text(CONFIG)
        (project / "index.py").write_text(CODE.replace("one", "two"))
        wait_until(lambda: platform.invoke("f") == b"two")
        assert platform.output.count("functions.yaml:2") == 1


def test_a_function_that_was_broken_before_does_not_hold_up_edits_of_others(project: Path) -> None:
    (project / "config" / "functions.yaml").write_text(CONFIG + "  x: {handler: index.x}\n")
    with dev(project) as platform:
        platform.wait_for("x: .*index")
        assert platform.invoke("f") == b"one"
        (project / "index.py").write_text(CODE.replace("one", "two"))
        wait_until(lambda: platform.invoke("f") == b"two")


def test_an_edit_of_the_yaml_adds_a_function(project: Path) -> None:
    with dev(project) as platform:
        assert b"FunctionNotFound" in platform.invoke("third")
        config = CONFIG + "  third: {handler: index.other}\n"
        (project / "config" / "functions.yaml").write_text(config)
        wait_until(lambda: platform.invoke("third").isdigit())


def test_invoke_uses_the_running_platform_and_here_does_not(project: Path) -> None:
    with dev(project) as platform:
        pid = platform.invoke("other").decode()
        assert run(project, "invoke", "other")[:2] == (0, pid)
        code, answer, _ = run(project, "invoke", "other", "--here")
        assert code == 0
        assert answer != pid
    code, answer, _ = run(project, "invoke", "other")
    assert code == 0
    assert answer != pid


def test_invoke_of_a_function_that_the_platform_does_not_have_is_wrong_usage(project: Path) -> None:
    with dev(project):
        code, answer, said = run(project, "invoke", "misspelled")
    assert (code, answer) == (2, "")
    assert "function 'misspelled' does not exist\n  fix: " in said


def test_invoke_reports_a_function_that_fails_on_the_platform(project: Path) -> None:
    (project / "index.py").write_text(
        f"{CODE}\ndef other(event, context): raise ValueError('bad')\n"
    )
    with dev(project):
        code, answer, _ = run(project, "invoke", "other")
        assert code == 1
        assert json.loads(answer)["errorMessage"] == "bad"


def test_a_function_gets_the_variables_that_it_is_given(project: Path) -> None:
    code = "import os\ndef other(event, context): return os.environ.get(event.decode(), 'unset')\n"
    (project / "index.py").write_text(code)
    config = "version: 1\nfunctions: {other: {handler: index.other, settings: {a: '${NAMED}'}}}\n"
    (project / "config" / "functions.yaml").write_text(config)
    with dev(project, "--env", "A=1", "--env", "B", B="2", NAMED="3", C="4") as platform:
        answers = [platform.invoke("other", name) for name in (b"A", b"B", b"NAMED", b"C")]
    assert answers == [b"1", b"2", b"3", b"unset"]


def test_the_settings_of_s_yaml_count(project: Path) -> None:
    code = "import os\ndef other(event, context): return os.environ.get(event.decode(), 'unset')\n"
    (project / "index.py").write_text(CODE + code)
    (project / "s.yaml").write_text(
        "edition: 3.0.0\nname: x\nresources:\n  r:\n    component: fc3\n    props:\n"
        "      functionName: other\n      memorySize: 768\n      handler: a.b\n"
        "      environmentVariables: {MODE: quick, SECRET: '${env(SECRET)}'}\n"
    )
    names = (b"FC_FUNCTION_MEMORY_SIZE", b"FC_FUNCTION_HANDLER", b"MODE", b"SECRET")
    with dev(project) as platform:
        answers = [platform.invoke("other", name) for name in names]
    assert answers == [b"768", b"a.b", b"quick", b"unset"]


def test_with_freeze_an_instance_is_frozen_between_calls(project: Path) -> None:
    with dev(project, "--freeze", "--no-reload") as platform:
        first = platform.invoke("other")
        platform.wait_for("frozen after")
        assert platform.invoke("other") == first
        platform.wait_for("thawed after")
        assert platform.stop() == 0


def test_with_keys_a_request_must_be_signed_and_invoke_signs(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    keys = ["--key", "ID1=MINE", "--key", f"ID2=@{tmp_path / 'secret'}", "--no-reload"]
    with dev(project, *keys, MINE="from-a-variable") as platform:
        assert b"MissingRequiredHeader" in platform.invoke("other")
        code, answer, errors = run(project, "invoke", "other")
        assert code == 0, errors
        assert answer.isdigit()
        for key_id, secret in (("ID1", "from-a-variable"), ("ID2", "from-a-file")):
            path = "/2023-03-30/functions/other/invocations"
            given = SignedRequest("POST", path, "", {"date": "now"}, b"")
            headers = {"date": "now", "authorization": sign(given, key_id, secret)}
            assert platform.invoke("other", b"", headers) == answer.encode()
            headers["authorization"] = sign(given, key_id, "another")
            assert b"SignatureNotMatch" in platform.invoke("other", b"", headers)
        assert "from-a" not in platform.output


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("ID=my-secret", "the variable that you name is not set"),
        ("ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"),
        ("ID=@nowhere", "'nowhere' cannot be read: No such file or directory"),
        ("=NAME", "--key: an access key id"),
        ("ID=@config/functions.yaml", "must hold one secret and nothing else"),
    ],
)
def test_a_key_without_a_secret_is_wrong_usage_that_shows_none(
    project: Path, key: str, what: str
) -> None:
    code, _, errors = run(project, "dev", "--port", "0", "--key", key)
    assert code == 2
    assert what in errors
    assert "my-secret" not in errors


def test_the_console_is_served_and_knows_the_functions(project: Path) -> None:
    with dev(project) as platform:
        port = int(platform.wait_for(r"console: http://127\.0\.0\.1:(\d+), functions")[1])
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/functions/other")
            page = connection.getresponse().read().decode()
    assert "<h1>other</h1>" in page


def test_a_port_of_the_console_in_use_is_an_error(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        code, _, errors = run(project, "dev", "--port", "0", "--console-port", taken)
    assert code == 1
    assert f"127.0.0.1:{taken}" in errors
    assert "fix: --console-port 0 for any" in errors


def test_an_address_that_this_machine_does_not_have_is_an_error_with_its_fix(project: Path) -> None:
    code, _, errors = run(project, "dev", "--port", "0", "--host", "192.0.2.1")
    assert code == 1
    assert "the local platform cannot listen on 192.0.2.1:" in errors
    assert "; choose another address\n  fix: --host 127.0.0.1, for this machine alone" in errors
