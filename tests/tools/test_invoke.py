"""``fcplug invoke``: calls without a server, or to an instance that runs."""

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fcplug.tools.latency import Measured
from support.commands import environment, run, run_in_terminal, unmeasured
from support.deployed import deploy, start
from support.waiting import wait_until

TITLES = ["first", "min", "mean", "p50", "p90", "p95", "p99", "max"]
CODE = """
import logging, os, sys, threading, time

def echo(event, context):
    return event

def facts(event, context):
    return {"name": context.function.name, "qualifier": context.qualifier, "id": context.request_id}

def noisy(event, context):
    print("printed")
    os.write(1, b"written\\n")
    os.system("echo from a child")
    logging.getLogger().warning("logged")
    return b"\\x00\\xff\\n"

def fail(event, context):
    raise ValueError("wrong")

def exits(event, context):
    sys.exit(0)

def leaves_a_thread(event, context):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return b"done"

def start(context):
    print("initialized")

def stop(context):
    print("stopped")

def hangs(event, context):
    print("hanging")
    time.sleep(600)

calls = 0

def every_third_fails(event, context):
    global calls
    calls += 1
    if calls % 3 == 0:
        raise ValueError("third")
    return b"fine"
"""
CONFIG = """
version: 1
functions:
  echo: {handler: own:echo}
  facts: {handler: own:facts}
  noisy: {handler: own:noisy}
  fail: {handler: own:fail}
  exits: {handler: own:exits}
  worker: {handler: own:noisy, isolation: process}
  threads: {handler: own:leaves_a_thread}
  hooks: {handler: own:echo, initializer: own:start, pre_stop: own:stop}
  hangs: {handler: own:hangs}
  late: {handler: own:hangs, timeout: 0.2}
  broken: {handler: absent:handle}
  third: {handler: own:every_third_fails}
routes:
  - {match: {function: old-*}, to: echo}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return deploy(tmp_path, CONFIG, {"own.py": CODE})


@pytest.mark.parametrize(
    ("arguments", "stdin", "answer"),
    [
        ([], b"ignored", b""),
        (["--event", "Ada é"], b"", "Ada é".encode()),
        (["--event", "-"], b"\x00\xff", b"\x00\xff"),
        (["--event", "@event.bin"], b"", b"\r\n\xfe"),
        (["--event", ""], b"", b""),
    ],
)
def test_the_event_reaches_the_function_and_its_answer_standard_output_byte_for_byte(
    project: Path, arguments: list[str], stdin: bytes, answer: bytes
) -> None:
    (project / "event.bin").write_bytes(b"\r\n\xfe")
    done = run("invoke", "echo", *arguments, cwd=project, stdin=stdin)
    assert (done.returncode, done.stdout) == (0, answer)


@pytest.mark.parametrize("function", ["noisy", "worker"])
def test_what_a_function_writes_goes_to_standard_error_and_only_its_answer_to_output(
    project: Path, function: str
) -> None:
    done = run("invoke", function, cwd=project)
    assert (done.returncode, done.stdout) == (0, b"\x00\xff\n")
    for said in (b"printed\n", b"written\n", b"from a child\n", b"[WARNING] logged\n"):
        assert said in done.stderr
    assert b"FC Invoke Start RequestId: " in done.stderr


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("fail", "ValueError"),
        ("exits", "SystemExit"),
        ("late", "FunctionTimeoutError"),
        ("broken", "ImportModuleError"),
    ],
)
def test_a_function_that_fails_prints_the_error_document_and_the_code_is_1(
    project: Path, function: str, kind: str
) -> None:
    done = run("invoke", function, cwd=project)
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorType"] == kind


def test_the_call_is_routed_as_one_of_the_platform(project: Path) -> None:
    done = run("invoke", "old-name", "--event", "x", cwd=project)
    assert (done.returncode, done.stdout) == (0, b"x")


def test_headers_of_the_call_reach_the_context(project: Path) -> None:
    done = run(
        "invoke", "facts", "--header", "X-Fc-Qualifier: prod", "--header", "x-fc-request-id:r-1",
        cwd=project,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"name": "facts", "qualifier": "prod", "id": "r-1"}


def test_hooks_run_once_around_all_calls(project: Path) -> None:
    done = run("invoke", "hooks", "--repeat", "5", cwd=project)
    assert done.returncode == 0
    assert done.stderr.count(b"initialized\n") == done.stderr.count(b"stopped\n") == 1


def test_a_thread_that_a_function_leaves_behind_is_not_waited_for(project: Path) -> None:
    done = run("invoke", "threads", cwd=project)
    assert (done.returncode, done.stdout) == (0, b"done")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ecko"], "no function 'ecko' (did you mean 'echo'?)"),
        (["echo", "--event", "@absent.json"], "'absent.json' cannot be read: No such file"),
        (["echo", "--event", "@."], "'.' cannot be read: Is a directory"),
        (["echo", "--event", "@/dev/zero"], "/dev/zero is larger than 32 MB"),
        (["echo", "--header", "x"], "'x' is not 'NAME: VALUE'"),
        (
            ["echo", "--header", "authorization=secret1"],
            "the header 'authorization' is not 'NAME: ",
        ),
        (
            ["echo", "--header", "authorization: secret1é"],
            "'authorization' has a value that is not",
        ),
        (["echo", "--url", "http://a:secret1@[::1"], "a URL with a password"),
        (["echo", "--url", "a:secret1@localhost"], "a URL with a password"),
        (["echo", "--header", "x-fc-qualifer: a"], "(did you mean 'x-fc-qualifier'?)"),
        (["echo", "--repeat", "0"], "--repeat"),
        (["echo", "--concurrency", "2"], "--concurrency needs --repeat"),
        (["echo", "--url", "localhost:9000"], "does not begin with http:// or https://"),
        (["echo", "--url", "http://localhost:port"], "cannot be used"),
        (["echo", "--url", "http://a:secret@localhost"], "use --header"),
        (["echo", "--url", "http://localhost", "--config", "f"], "its own configuration"),
        ([], "NAME"),
    ],
)
def test_wrong_usage_is_said_in_a_line_and_answers_nothing(
    project: Path, arguments: list[str], said: str
) -> None:
    done = run("invoke", *arguments, cwd=project)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"secret" not in done.stderr


def test_an_answer_goes_to_a_file_while_the_log_goes_to_a_terminal_or_pipe(project: Path) -> None:
    with (project / "answer.bin").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "fcplug", "invoke", "noisy", "--repeat", "3"],
            cwd=project, env=environment(), stdout=file, stderr=subprocess.PIPE, timeout=120,
            check=True,
        )  # fmt: skip
    assert (project / "answer.bin").read_bytes() == b"\x00\xff\n"
    assert b"FC Invoke End" in done.stderr


def test_an_event_of_100_megabytes_is_refused_before_it_is_read_whole(project: Path) -> None:
    with (project / "big.bin").open("wb") as big:
        big.truncate(100 * 1024 * 1024)
    for event, stdin in (("@big.bin", b""), ("-", b"x" * (32 * 1024 * 1024 + 1))):
        done = run("invoke", "echo", "--event", event, cwd=project, stdin=stdin)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"is larger than 32 MB, the largest event of Function Compute" in done.stderr


def test_without_a_configuration_it_says_where_it_looked(tmp_path: Path) -> None:
    done = run("invoke", "hello", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"there is no configuration" in done.stderr
    assert str(tmp_path).encode() in done.stderr


def test_the_fix_for_a_missing_configuration_is_a_command_that_calls_the_function(
    project: Path,
) -> None:
    done = run("invoke", "echo", "--config", "other.yaml", cwd=project)
    command = "fcplug invoke echo --config config/functions.yaml"
    assert done.stderr.decode().splitlines()[1] == (
        f"  fix: config/functions.yaml is there: {command}"
    )


def test_another_configuration_is_named_by_an_option(project: Path) -> None:
    (project / "other.yaml").write_text("version: 1\nfunctions: {one: {handler: own:echo}}\n")
    done = run("invoke", "one", "--event", "x", "--config", "other.yaml", cwd=project)
    assert (done.returncode, done.stdout) == (0, b"x")


def test_repeated_calls_print_the_first_answer_and_percentiles_on_standard_error(
    project: Path,
) -> None:
    done = run(
        "invoke", "echo", "--event", "x", "--repeat", "50", "--concurrency", "4", cwd=project
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"x")
    text = done.stderr.decode()
    assert "49 more calls in " in text
    assert text.splitlines()[-2].split() == TITLES
    assert len(text.splitlines()[-1].split()) == 8
    assert text.count("FC Invoke Start") == 1, "the log of the other calls is left out"


def test_repeated_calls_of_which_one_fails_count_it_and_the_code_is_1(project: Path) -> None:
    done = run("invoke", "third", "--repeat", "9", "--json", cwd=project)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["failed"], document["body"]) == (False, "fine")
    repeated = document["repeated"]
    assert (repeated["calls"], repeated["failed"], repeated["concurrency"]) == (8, 3, 1)
    shown = run("invoke", "third", "--repeat", "9", cwd=project).stderr.decode()
    assert "3 failed; one of them got:" in shown
    assert '"errorMessage": "third"' in shown


def test_the_answer_as_json_holds_bytes_as_base64(project: Path) -> None:
    document = json.loads(run("invoke", "noisy", "--json", cwd=project).stdout)
    assert document.pop("milliseconds") > 0
    assert document == {
        "function": "noisy", "failed": False, "body": "AP8K", "isBase64Encoded": True,
    }  # fmt: skip


def test_percentiles_are_the_shortest_times_that_their_share_of_calls_did_not_exceed() -> None:
    def milliseconds(count: int) -> dict[str, float]:
        times = [number / 1000 for number in range(1, count + 1)]
        return Measured(times, count, 1, 0, None, 1.0).milliseconds()

    assert milliseconds(0) == {}
    assert set(milliseconds(1).values()) == {1.0}
    hundred = milliseconds(100)
    assert hundred == {
        "min": 1, "mean": 50.5, "p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100,
    }  # fmt: skip
    assert milliseconds(10)["p99"] == 10


def test_an_instance_that_runs_is_called_by_its_url(project: Path) -> None:
    with start(project) as instance:
        url = f"http://127.0.0.1:{instance.port}"
        fine = run("invoke", "echo", "--event", "-", "--url", url, cwd=project, stdin=b"\xff")
        assert (fine.returncode, fine.stdout) == (0, b"\xff")
        header = ["--header", "x-fc-qualifier: prod", "--header", "x-fc-request-id: r-1"]
        facts = run("invoke", "facts", *header, "--url", f"{url}/", cwd=project)
        assert json.loads(facts.stdout) == {"name": "facts", "qualifier": "prod", "id": "r-1"}
        failed = run("invoke", "fail", "--url", url, cwd=project)
        assert failed.returncode == 1
        assert json.loads(failed.stdout)["errorType"] == "ValueError"
        many = run(
            "invoke", "echo", "--url", url, "--repeat", "40", "--concurrency", "4", "--json",
            cwd=project,
        )  # fmt: skip
        assert json.loads(many.stdout)["repeated"]["failed"] == 0
        assert instance.log.count("FC Invoke Start") == 43
    gone = run("invoke", "echo", "--url", url, cwd=project)
    assert (gone.returncode, gone.stdout) == (1, b"")
    assert b"Connection refused\n  fix: start an instance there" in gone.stderr


def test_events_are_piped_into_invoke(project: Path) -> None:
    command = f"{sys.executable} -m fcplug events oss --key a.jpg | {sys.executable} -m fcplug "
    done = subprocess.run(
        ["bash", "-c", f"{command} invoke echo --event -"],
        cwd=project, env=environment(), capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["events"][0]["oss"]["object"]["key"] == "a.jpg"


def test_an_interrupt_while_the_function_runs_ends_it_with_130(project: Path) -> None:
    log = project / "said.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcplug", "invoke", "hangs"],
            cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=out,
        )  # fmt: skip
    wait_until(lambda: b"hanging" in log.read_bytes() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, b"")
    assert b"\ninterrupted\n" in log.read_bytes()
    assert b"Traceback" not in log.read_bytes()


def test_an_interrupt_between_repeated_calls_ends_them_with_130(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "invoke", "echo", "--event", "x", "--repeat", "100000000"],
        cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.read(1) == b"x"  # the first answer
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"\ninterrupted\n" in stderr  # the call that runs may still write its last line


@pytest.mark.parametrize(
    ("into", "code", "said"), [("| true", "0", ""), (">/dev/full", "1", "No space left on device")]
)
def test_an_output_that_takes_no_more_ends_the_command_without_a_traceback(
    project: Path, into: str, code: str, said: str
) -> None:
    script = f"{sys.executable} -m fcplug invoke echo --event x {into}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environment(), capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == f"{code}\n"
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("redirection", "answer"), [(">&-", ""), ("2>&-", "x"), (">&- 2>&-", ""), ("<&-", "x")]
)
def test_streams_that_are_closed_do_not_matter(
    project: Path, redirection: str, answer: str
) -> None:
    script = f"{sys.executable} -m fcplug invoke echo --event x {redirection}; echo $? >&3"
    done = subprocess.run(
        ["bash", "-c", f"exec 3>code; {script}"], cwd=project, env=environment(),
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert ((project / "code").read_text(), done.stdout) == ("0\n", answer)
    assert "Traceback" not in done.stderr


def test_an_event_from_a_closed_standard_input_is_wrong_usage(project: Path) -> None:
    script = f"{sys.executable} -m fcplug invoke echo --event - <&-"
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environment(), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "the event cannot be read: standard input is closed\n"


def test_a_working_directory_that_was_removed_gives_an_error_without_a_traceback(
    tmp_path: Path,
) -> None:
    for arguments in ("", "--event @event.json"):
        script = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -m fcplug invoke x"
        done = subprocess.run(
            ["bash", "-c", f"{script} {arguments}"], cwd=tmp_path, env=unmeasured(),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert "Traceback" not in done.stderr


def test_a_server_that_speaks_no_http_is_said_in_a_line(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer_once, args=(listener, b"\x1b[31mno http\r\n"))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = run("invoke", "echo", "--url", url, cwd=project)
        thread.join()
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"gives no answer: " in done.stderr
    assert b"\x1b" not in done.stderr
    assert b"Traceback" not in done.stderr


def _answer_once(listener: socket.socket, data: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(data)


def test_a_terminal_gets_text_with_a_line_end_and_no_other_bytes(project: Path) -> None:
    assert "\nAda\n" in run_in_terminal(["invoke", "echo", "--event", "Ada"], project)
    shown = run_in_terminal(["invoke", "noisy"], project)
    assert "the answer is 3 bytes and no text, and this is a terminal" in shown


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_percentiles_are_readable_in_a_terminal(project: Path, columns: int) -> None:
    arguments = ["invoke", "echo", "--event", "x", "--repeat", "200"]
    shown = run_in_terminal(arguments, project, columns)
    for title in ("first", "p50", "p99", "max"):
        assert title in shown
    assert "…" not in shown, "no figure is cut"
