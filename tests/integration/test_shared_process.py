"""Effects of a handler on the process that it shares with others, in each isolation."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from textwrap import dedent

import pytest

from support.deployed import PATIENCE, Answer, Instance, deploy, start
from support.waiting import wait_until

FUNCTIONS = """
import asyncio, contextlib, io, logging, logging.config, multiprocessing, os, sys, threading, time
from pathlib import Path

processes = multiprocessing.get_context("fork")

def sleep(seconds=60):
    time.sleep(seconds)

def run(event, context):
    names = dict(globals())
    exec(event.decode(), names)
    return str(names.get("answer"))

def fine(event, context):
    print("fine prints")
    return "fine"

def fails(event, context):
    raise ValueError("the reason of " + context.request_id)

def forks(event, context):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"

async def forks_async(event, context):
    child = os.fork()
    await asyncio.sleep(0)
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"

def forks_web(environ, start_response):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"par" if child else b"ch", b"ent" if child else b"ild"])

async def pieces(event, context):
    text = event.decode()
    for part in range(20):
        print(text, end=" ")
        await asyncio.sleep(0.001)
    print()
"""

CONFIG = """
version: 1
{settings}
functions:
  run: {{handler: functions.run}}
  fine: {{handler: functions.fine}}
  fails: {{handler: functions.fails}}
  forks: {{handler: functions.forks}}
  forks_timed: {{handler: functions.forks, timeout: 50}}
  forks_async: {{handler: functions.forks_async}}
  forks_web: {{wsgi: functions.forks_web}}
  pieces: {{handler: functions.pieces}}
"""

MODES = {
    "threads": "runtime: {threads: 8}",
    "workers": "defaults: {isolation: process, workers: 2}",
    "processes": "runtime: {processes: 2}",
}
FORKING = ["forks", "forks_timed", "forks_async"]


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def instance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    code = deploy(tmp_path, CONFIG.format(settings=request.param), {"functions.py": FUNCTIONS})
    with start(code) as instance:
        yield instance


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def unmeasured_instance(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """Start an instance whose coverage is not measured: that handles SIGTERM in forked children."""
    code = deploy(tmp_path, CONFIG.format(settings=request.param), {"functions.py": FUNCTIONS})
    nothing = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
    with start(code, environ=nothing) as instance:
        yield instance


def run(instance: Instance, code: str) -> Answer:
    return instance.invoke("run", dedent(code).encode())


def ended(instance: Instance, request_id: str, error: str = "") -> None:
    """Wait for the End line of a call."""
    instance.wait_for(rf"^FC Invoke End RequestId: {request_id}{error}$")


WRECKS = {
    "wrapped": """
        for _ in range(3):
            sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
            sys.stderr = io.TextIOWrapper(sys.stderr.buffer, encoding="utf-8")
        print("wrapped: \\u00fc")
    """,
    "detached": "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')",
    "restored": "sys.stdout = sys.__stdout__; sys.stderr = sys.__stderr__",
    "reconfigured": "sys.stdout.reconfigure(encoding='utf-8', line_buffering=True)",
    "closed": "sys.stdout.close(); sys.stderr.close()",
    "opened anew": "sys.stdout = open(sys.stdout.fileno(), 'w'); sys.stdout = sys.__stdout__",
    "closed descriptors": """
        for number in (1, 2):
            with contextlib.suppress(OSError):
                os.close(number)
    """,
    "redirected": "contextlib.redirect_stdout(io.StringIO()).__enter__()",
    "none": "sys.stdout = sys.stderr = None",
}
UNUSABLE = {
    "none": "sys.stdout = sys.stderr = None",
    "detached": """
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
        sys.stderr = io.TextIOWrapper(sys.stderr.buffer, encoding="utf-8")
        sys.stdout.detach(), sys.stderr.detach()
    """,
    "closed": """
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        sys.stdout.close(), sys.stderr.close()
    """,
}


def test_calls_and_their_log_lines_survive_any_change_of_standard_output(
    instance: Instance,
) -> None:
    for number, (name, code) in enumerate(WRECKS.items()):
        assert run(instance, code).status == 200, name
        for call in range(4):
            request_id = f"{number}-{call}"
            answer = instance.invoke("fine", x_fc_request_id=request_id)
            assert (answer.status, answer.body) == (200, b"fine"), name
            ended(instance, request_id)
            assert f"FC Invoke Start RequestId: {request_id}\n" in instance.log, name
        assert instance.call("GET", "/health").status == 200
    assert run(instance, "import subprocess; subprocess.run(['echo', 'by echo'])").status == 200
    instance.wait_for("^by echo$")
    assert "wrapped: \u00fc\n" in instance.log
    assert len(re.findall("^fine prints$", instance.log, re.MULTILINE)) >= 4 * 4  # up to "opened"
    assert instance.stop() == 0


@pytest.mark.parametrize("code", UNUSABLE.values(), ids=list(UNUSABLE))
def test_other_calls_print_after_one_has_left_a_standard_output_that_nobody_can_use(
    instance: Instance, code: str
) -> None:
    assert run(instance, code).status == 200
    for call in range(8):  # each process and each worker answers some of them
        answer = instance.invoke("fine", x_fc_request_id=f"1-{call}")
        assert (answer.status, answer.body) == (200, b"fine")
    wait_until(lambda: instance.log.count("fine prints\n") == 8)


def test_a_redirected_standard_output_gets_no_line_of_the_runtime(
    instance: Instance, tmp_path: Path
) -> None:
    redirected, gate = tmp_path / "redirected", tmp_path / "gate"
    code = f"""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            Path({str(redirected)!r}).touch()
            while not Path({str(gate)!r}).exists():
                time.sleep(0.01)
        answer = out.getvalue()
    """
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(run, instance, code)
        wait_until(redirected.exists)
        for call in range(4):
            assert instance.invoke("fine", x_fc_request_id=f"1-{call}").status == 200
            ended(instance, f"1-{call}")
        gate.touch()
        assert "FC Invoke" not in answer.result().body.decode()


@pytest.mark.parametrize("function", FORKING)
def test_a_forked_child_that_comes_back_from_a_handler_answers_nothing(
    instance: Instance, function: str
) -> None:
    with closing(instance.connect()) as connection:
        for number in range(4):
            headers = {"x-fc-function-name": function, "x-fc-request-id": f"1-{number}"}
            connection.request("POST", "/invoke", b"", headers)
            assert connection.getresponse().read() == b"parent"
            ended(instance, f"1-{number}")
    assert len(re.findall("^FC Invoke End", instance.log, re.MULTILINE)) == 4


def test_a_forked_child_of_an_application_sends_nothing(instance: Instance) -> None:
    with closing(instance.connect()) as connection:
        for number in range(4):
            headers = {"x-fc-function-name": "forks_web", "x-fc-request-id": f"1-{number}"}
            connection.request("GET", "/", headers=headers)
            assert connection.getresponse().read() == b"parent"
            ended(instance, f"1-{number}")
    assert len(re.findall("^FC Invoke End", instance.log, re.MULTILINE)) == 4


def test_a_forked_child_that_comes_back_ends_as_a_script_does(instance: Instance) -> None:
    code = """
        codes = []
        for work in ("pass", "sys.exit(3)", "1/0"):
            child = os.fork()
            if not child:
                exec(work)
                break
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        answer = codes
    """
    assert run(instance, code).body == b"[0, 3, 1]"
    instance.wait_for("^ZeroDivisionError: division by zero$")


def test_forked_children_end_by_the_signals_of_their_parent(unmeasured_instance: Instance) -> None:
    code = """
        children = [processes.Process(target=sleep) for _ in range(4)]
        for child in children:
            child.start()
            child.terminate()
        for child in children:
            child.join(30)
        answer = {child.exitcode for child in children}
    """
    assert run(unmeasured_instance, code).body == b"{-15}"
    code = """
        try:
            with processes.Pool(2) as pool:
                pool.map_async(sleep, [60, 60]).get(timeout=0.5)
        except processes.TimeoutError:
            answer = "timeout"
    """
    assert run(unmeasured_instance, code).body == b"timeout"


START_CHILD = """
    child = processes.Process(target=sleep)
    child.start()
    answer = child.pid
"""


@pytest.fixture
def children() -> Iterator[Callable[[Instance], int]]:
    """Return what has a handler fork a child that sleeps; it is ended on the way out."""
    pids: list[int] = []

    def begin(instance: Instance) -> int:
        pids.append(int(run(instance, START_CHILD).body))
        return pids[-1]

    yield begin
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("instance", [MODES["threads"], MODES["processes"]], indirect=True)
def test_a_forked_child_holds_neither_the_port_nor_a_connection(
    instance: Instance, children: Callable[[Instance], int]
) -> None:
    with closing(socket.create_connection(("127.0.0.1", instance.port))) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        pid = children(instance)
        assert instance.stop() == 0
        idle.settimeout(PATIENCE)
        assert idle.recv(4096) == b""
    os.kill(pid, 0)  # it lives on
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", instance.port))
    with socket.create_server(("127.0.0.1", instance.port)):
        pass


@pytest.mark.parametrize("instance", [MODES["threads"]], indirect=True)
def test_a_connection_that_the_runtime_closes_ends_though_a_child_lives(
    instance: Instance, children: Callable[[Instance], int]
) -> None:
    with closing(HTTPConnection("127.0.0.1", instance.port, timeout=PATIENCE)) as connection:
        headers = {"x-fc-function-name": "run", "Connection": "close"}
        body = dedent(START_CHILD).encode()
        connection.request("POST", "/invoke", body, headers)
        assert connection.sock is not None
        received = connection.sock.makefile("rb").read()  # until the connection ends
    pid = int(received.rpartition(b"\r\n\r\n")[2])
    os.kill(pid, signal.SIGKILL)  # it was there all the time


def test_what_a_function_does_to_logging_silences_no_failure_of_others(
    instance: Instance,
) -> None:
    wrecks = [
        'logging.config.dictConfig({"version": 1})',
        "logging.disable(logging.CRITICAL)",
        "logging.getLogger('fcplug').handlers.clear(); logging.getLogger().handlers.clear()",
        "logging.getLogger('fcplug').setLevel(100); logging.getLogger('fcplug').disabled = True",
        "logging.setLogRecordFactory(lambda *_, **__: 1 / 0)",
        "logging.getLogger('fcplug').addFilter(lambda _: False)",
    ]
    for number, code in enumerate(wrecks):
        assert run(instance, code).status == 200
        for call in range(4):
            request_id = f"{number}-{call}"
            assert instance.invoke("fails", x_fc_request_id=request_id).status == 404
            ended(instance, request_id, ", Error: Unhandled function error")
            assert f"ValueError: the reason of {request_id}\n" in instance.log


def test_what_is_printed_without_a_line_end_is_out_before_the_end_line(
    instance: Instance,
) -> None:
    code = """
        thread = threading.Thread(target=print, args=("by a thread",), kwargs={"end": ""})
        thread.start()
        thread.join()
        print("on standard error", end="", file=sys.stderr)
        print("by the handler", end="")
    """
    answer = instance.invoke("run", dedent(code).encode(), x_fc_request_id="1-2")
    assert answer.status == 200
    ended(instance, "1-2")
    lines = instance.log.splitlines()
    inside = lines[lines.index("FC Invoke Start RequestId: 1-2") + 1 :]
    inside = inside[: inside.index("FC Invoke End RequestId: 1-2")]
    assert sorted(inside) == ["by a thread", "by the handler", "on standard error"]


def test_the_lines_that_coroutines_print_in_pieces_never_mix(instance: Instance) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda n: instance.invoke("pieces", b"call-%d" % n), range(24))
        assert {answer.status for answer in answers} == {200}
    for number in range(24):
        instance.wait_for(f"^(call-{number} ){{20}}$")


def test_lines_of_threads_that_handlers_start_are_not_split_by_the_end_of_other_calls(
    instance: Instance,
) -> None:
    code = """
        def talk():
            for _ in range(50):
                print("one", "two", "three", "four")
        threads = [threading.Thread(target=talk) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(run, instance, code) for _ in range(16)]
        quick = [pool.submit(instance.invoke, "fine") for _ in range(100)]
        assert {call.result().status for call in [*calls, *quick]} == {200}
    until = time.monotonic() + PATIENCE
    while instance.log.count("four") < 1600 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(re.findall("^one two three four$", instance.log, re.MULTILINE)) == 1600
