"""The local platform with real processes: calls, their outcome, and the life of instances."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from fcplug.platform.emulator import Emulator
from fcplug.platform.model import Happening, InstanceInfo, InstanceState, LogLine, Outcome
from support.platforms import event, fcplug_function, stranger
from support.waiting import wait_until


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def lines(followed: "Queue[Happening]") -> list[str]:
    found = [followed.get_nowait().value for _ in range(followed.qsize())]
    return [line.text for line in found if isinstance(line, LogLine)]


def steps(instance: InstanceInfo) -> Sequence[str]:
    return [text for _, text in instance.steps]


def test_the_runtime_gets_the_event_as_fc_sends_it(tmp_path: Path) -> None:  # items 86, 95
    with Emulator([stranger(tmp_path)]) as platform:
        call = event(b"show \xff\x00")
        outcome = platform.invoke(call)
    got = json.loads(outcome.body)
    sent = dict(got["headers"])
    assert outcome.succeeded
    assert (got["method"], got["target"], got["body"]) == ("POST", "/invoke", "show \xff\x00")
    assert sent["content-type"] == "application/octet-stream"
    assert sent["x-fc-request-id"] == call.request_id
    assert sent["x-fc-control-path"] == "/invoke"
    assert (outcome.headers, outcome.cold) == ((), True)  # headers are lost
    assert re.fullmatch(r"c-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}", outcome.instance_id)
    assert outcome.memory_mb > 1
    assert outcome.duration_ms > 0


def test_the_header_x_fc_status_decides(tmp_path: Path) -> None:  # item 87
    with Emulator([stranger(tmp_path)]) as platform:
        outcome = platform.invoke(event(b"fail"))
    assert (outcome.status, outcome.error_type) == (200, "UnhandledInvocationError")
    assert outcome.body == b'{"errorMessage": "no"}'
    assert not outcome.succeeded


def test_a_web_request_passes_through(tmp_path: Path) -> None:  # item 96
    headers = [("Host", "shop"), ("X-Fc-Function-Name", "evil"), ("X-A", "1"), ("X-A", "2")]
    call = event(b"body", method="PUT", target="/a%20b?x=1&x=2", headers=headers)
    with Emulator([stranger(tmp_path)]) as platform:
        outcome = platform.invoke(call)
        head = platform.invoke(event(method="HEAD", target="/"))
        odd = platform.invoke(event(method="GET", target="/a b"))
    got = json.loads(outcome.body)
    assert (got["method"], got["target"], got["body"]) == ("PUT", "/a%20b?x=1&x=2", "body")
    assert got["headers"][:3] == [["Host", "shop"], ["X-A", "1"], ["X-A", "2"]]
    assert ["x-fc-function-name", "f"] in got["headers"]
    assert ["x-fc-base-path", "/a%20b"] in got["headers"]
    assert outcome.headers == [("X-Mine", "1"), ("Content-Type", "application/json")]
    assert (head.status, head.body) == (200, b"")
    assert (odd.status, odd.code) == (400, "InvalidArgument")


def test_the_initializer_runs_once_with_the_id_of_the_first_call(tmp_path: Path) -> None:  # 98
    with Emulator([fcplug_function(tmp_path, initializer=True)]) as platform:
        call = event(b"Ada", "hello")
        first = platform.invoke(call)
        second = platform.invoke(event(b"Bob", "hello"))
    assert json.loads(first.body) == {"id": call.request_id, "initialized": [call.request_id]}
    assert json.loads(second.body)["initialized"] == [call.request_id]
    assert (first.cold, second.cold) == (True, False)
    log = first.log.decode()
    assert f"FC Initialize Start RequestId: {call.request_id}" in log
    assert f"FC Invoke End RequestId: {call.request_id}" in log
    assert "said Ada" in log
    assert "said Ada" not in second.log.decode()
    assert "said Bob" in second.log.decode()


def test_fcplug_reports_a_failing_handler(tmp_path: Path) -> None:
    with Emulator([fcplug_function(tmp_path)]) as platform:
        outcome = platform.invoke(event(b"fail", "hello"))
    assert outcome.error_type == "UnhandledInvocationError"
    assert json.loads(outcome.body)["errorType"] == "ValueError"
    assert b", Error: Unhandled function error\n" in outcome.log  # the start may write after it


def test_a_failed_initializer_ends_the_instance(tmp_path: Path) -> None:  # item 88
    function = stranger(tmp_path, initializer=True, environment={"FAIL": "/initialize"})
    with Emulator([function]) as platform:
        outcomes = [platform.invoke(event()) for _ in range(2)]
    assert {one.error_type for one in outcomes} == {"InitializationError"}
    assert {(one.status, one.body) for one in outcomes} == {(200, b'{"errorMessage": "no"}')}
    assert outcomes[0].instance_id != outcomes[1].instance_id


def test_a_slow_initializer_is_an_error(tmp_path: Path) -> None:  # item 88
    code = "Runtime.answer = lambda *_: time.sleep(60); Runtime.do_POST = Runtime.answer"
    function = stranger(
        tmp_path, initializer=True, initialization_timeout=0.2, environment={"BEFORE": code}
    )
    with Emulator([function]) as platform:
        outcome = platform.invoke(event())
    assert outcome.error_type == "InitializationError"
    assert b"time out after 0.2 seconds" in outcome.body


def test_pre_stop_runs_before_the_end_with_an_id_of_its_own(tmp_path: Path) -> None:  # item 98
    with Emulator([stranger(tmp_path, pre_stop=True)]) as platform:
        followed = platform.subscribe()
        call = event()
        platform.invoke(call)
    [line] = [line for line in lines(followed) if "/pre-stop" in line]
    assert re.fullmatch(r"GET /pre-stop [0-9a-f-]{36}", line)
    [instance] = platform.instances()
    assert steps(instance)[-3:] == [
        "pre-stop: status 200",
        "stops",
        "ended with exit code -15",
    ]


def test_an_instance_is_frozen_between_calls(tmp_path: Path) -> None:
    with Emulator([stranger(tmp_path, freeze=True, pre_freeze=True)]) as platform:
        followed = platform.subscribe()
        call = event()
        for current in (call, event()):
            assert platform.invoke(current).succeeded
            wait_until(lambda: platform.instances()[0].state is InstanceState.FROZEN)
        [instance] = platform.instances()
        status = Path(f"/proc/{instance.pid}/status")
        wait_until(lambda: "State:\tT" in status.read_text())
    assert not lives(instance.pid)
    assert f"GET /pre-freeze {call.request_id}" in lines(followed)


def test_calls_share_an_instance_up_to_its_concurrency(tmp_path: Path) -> None:
    meet = "import threading; B = threading.Barrier(6)"
    function = stranger(
        tmp_path, instance_concurrency=6, max_instances=1, environment={"BEFORE": meet}
    )
    calls = [event(b"run B.wait(30); print('by', request_id, flush=True)") for _ in range(6)]
    with Emulator([function]) as platform, ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(platform.invoke, calls))
    assert all(one.succeeded for one in outcomes)
    assert len({one.instance_id for one in outcomes}) == 1
    assert sum(one.cold for one in outcomes) == 1
    for call, outcome in zip(calls, outcomes, strict=True):
        assert re.findall(r"by (\S+)", outcome.log.decode()) == [call.request_id]


def test_more_calls_get_more_instances_and_idle_ones_end(tmp_path: Path) -> None:
    wait = f"run open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'w').close()\n"
    wait += f"while len(os.listdir({str(tmp_path)!r})) < 4: time.sleep(0.01)"
    function = stranger(tmp_path, idle_timeout=0.2)
    with Emulator([function]) as platform, ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(platform.invoke, [event(wait.encode()) for _ in range(3)]))
        assert len({one.instance_id for one in outcomes}) == 3
        ended = InstanceState.ENDED
        wait_until(lambda: {one.state for one in platform.instances()} == {ended})
        assert not any(lives(one.pid) for one in platform.instances())
        assert platform.invoke(event()).cold


def test_idle_instances_stay_while_new_ones_could_not_start(tmp_path: Path) -> None:
    with Emulator([stranger(tmp_path, idle_timeout=0.1)]) as platform:
        platform.keeps_idle = True
        first = platform.invoke(event())
        threading.Event().wait(1.2)  # the platform looks for idle instances twice a second
        assert platform.invoke(event()).instance_id == first.instance_id
        platform.keeps_idle = False
        wait_until(lambda: platform.instances()[0].state is InstanceState.ENDED)


def test_a_call_that_finds_no_instance_is_refused_as_fc_does(tmp_path: Path) -> None:
    function = stranger(tmp_path, max_instances=1, timeout=1)
    calls = [event(b"run time.sleep(0.9)") for _ in range(6)]
    with Emulator([function]) as platform, ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(platform.invoke, calls))
    refused = [one for one in outcomes if one.status == 429]
    assert refused
    assert {one.code for one in refused} == {"ResourceExhausted"}


def test_a_hanging_call_ends_its_instance(tmp_path: Path) -> None:  # item 97
    term = "signal.signal(15, lambda *_: (print('got TERM', flush=True), os._exit(3)))"
    function = stranger(tmp_path, timeout=1, environment={"BEFORE": term})
    with Emulator([function]) as platform:
        followed = platform.subscribe()
        first = platform.invoke(event(b"run time.sleep(60)"))
        assert platform.invoke(event()).cold
    document = json.loads(first.body)
    assert (first.status, first.error_type) == (200, "UnhandledInvocationError")
    assert document["errorMessage"].startswith("Function time out after 1 second")
    assert document["errorType"] == "FunctionTimeoutError"
    assert "got TERM" in lines(followed)


def test_an_answer_that_drips_ends_at_the_timeout(tmp_path: Path) -> None:
    drip = b"run self.wfile.write(b'HTTP/1.1 200 OK\\r\\n')\n"
    drip += b"while True: self.wfile.write(b'a: b\\r\\n'); time.sleep(0.1)"
    with Emulator([stranger(tmp_path, timeout=1)]) as platform:
        outcome = platform.invoke(event(drip))
    assert b"Function time out after 1 second" in outcome.body


@pytest.mark.parametrize("method", ["", "POST"])
def test_a_crash_is_reported_at_once(tmp_path: Path, method: str) -> None:
    crash = "Runtime.do_POST = lambda self: (print('last words', flush=True), os._exit(7))"
    function = stranger(tmp_path, timeout=600, environment={"BEFORE": crash})
    with Emulator([function]) as platform:
        outcome = platform.invoke(event(method=method, target="/"))
        [instance] = platform.instances()
    assert re.search(
        rb"Process exited unexpectedly before completing request \(duration: \d+ms, maxMemory",
        outcome.body,
    )
    assert outcome.status == (502 if method else 200)
    assert outcome.error_type == "UnhandledInvocationError"
    assert outcome.log == b"last words\n"
    assert "ended with exit code 7" in steps(instance)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("self.wfile.write(b'hello\\n')", "not HTTP"),
        ("self.wfile.write(b'HTTP/1.1 200 OK\\r\\ncontent-length: 9\\r\\n\\r\\nx')", "incomplete"),
        ("self.wfile.write(b'HTTP/1.1 200 OK\\r\\n' + b'a: b\\r\\n' * 200)", "headers"),
        ("self.wfile.write(b'HTTP/1.1 200 OK')", "incomplete"),
        ("self.wfile.write(b'HTTP/1.1 200 OK\\r\\na: b\\r\\n')", "incomplete"),
        ("self.wfile.write(b'HTTP/1.1 200 OK\\r\\na: b\\r\\ncontent-le')", "incomplete"),
        ("self.wfile.write(b'HTTP/1.1 200 OK\\r\\ncontent-length: -2\\r\\n\\r\\nx')", "'-2'"),
        ("", "without an answer"),
    ],
)
def test_an_answer_that_is_not_one_is_a_bad_response(tmp_path: Path, what: str, why: str) -> None:
    close = "self.close_connection = True; self.wfile.flush(); self.connection.shutdown(2)"
    with Emulator([stranger(tmp_path)]) as platform:
        outcome = platform.invoke(event(f"run {what}; {close}".encode()))
        assert (outcome.status, outcome.code) == (502, "BadResponse")
        assert why in outcome.message
        assert platform.invoke(event()).succeeded


def test_a_connection_that_the_runtime_closed_is_not_used_again(tmp_path: Path) -> None:
    function = stranger(tmp_path, environment={"BEFORE": "Runtime.timeout = 0.1"})
    with Emulator([function]) as platform:
        for _ in range(3):
            assert platform.invoke(event(b"show")).succeeded
            threading.Event().wait(0.3)  # until the runtime closes the idle connection


def test_an_instance_that_died_between_calls_is_replaced(tmp_path: Path) -> None:
    with Emulator([stranger(tmp_path)]) as platform:
        first = platform.invoke(event())
        [instance] = platform.instances()
        os.kill(instance.pid, 9)
        wait_until(lambda: platform.instances()[0].state is InstanceState.ENDED)
        second = platform.invoke(event())
    assert second.succeeded
    assert second.instance_id != first.instance_id


def test_new_configuration_gets_new_instances_and_running_calls_end(tmp_path: Path) -> None:
    function = stranger(tmp_path)
    with Emulator([function]) as platform, ThreadPoolExecutor(1) as pool:
        running = pool.submit(platform.invoke, event(b"run time.sleep(0.5)"))
        wait_until(lambda: any(one.state is InstanceState.BUSY for one in platform.instances()))
        platform.replace([function])
        assert platform.invoke(event()).cold
        assert running.result().succeeded
        wait_until(lambda: InstanceState.ENDED in {one.state for one in platform.instances()})


def test_calls_that_wait_are_served_by_the_new_configuration(tmp_path: Path) -> None:
    old = stranger(tmp_path, max_instances=1)
    hold = f"run 0\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)"
    with Emulator([old]) as platform, ThreadPoolExecutor(2) as pool:
        first = pool.submit(platform.invoke, event(hold.encode()))
        wait_until(lambda: any(one.state is InstanceState.BUSY for one in platform.instances()))
        second = pool.submit(platform.invoke, event(b"run pass"))
        wait_until(lambda: len(platform.invocations()) == 2)
        platform.replace([stranger(tmp_path)])
        assert second.result().succeeded
        (tmp_path / "go").touch()
        assert first.result().succeeded


def test_a_timeout_does_not_end_the_other_calls_of_the_instance(tmp_path: Path) -> None:
    go = tmp_path / "go"
    late = f"0\nwhile self.headers['x-fc-qualifier'] == 'slow' or not os.path.exists({str(go)!r}): "
    late += "time.sleep(0.01)"
    function = stranger(tmp_path, timeout=8, instance_concurrency=2)
    with Emulator([function]) as platform, ThreadPoolExecutor(2) as pool:
        platform.invoke(event())
        slow = pool.submit(platform.invoke, event(b"run " + late.encode(), qualifier="slow"))
        wait_until(lambda: platform.instances()[0].running)
        threading.Event().wait(6)  # so that the other call runs when the first times out
        other = pool.submit(platform.invoke, event(b"run " + late.encode()))
        assert b"time out" in slow.result().body
        go.touch()
        assert other.result().succeeded
    assert other.result().instance_id == slow.result().instance_id


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 502)])
def test_fc_repeats_only_what_is_idempotent(tmp_path: Path, method: str, status: int) -> None:
    code = """\
def first(self):
    Runtime.do_GET = Runtime.do_POST = Runtime.answer
    self.close_connection = True
Runtime.do_GET = Runtime.do_POST = first
"""
    function = stranger(tmp_path, environment={"BEFORE": code})
    with Emulator([function]) as platform:
        assert platform.invoke(event(method=method, target="/")).status == status


KILLED = """\
import os, sys
from pathlib import Path
from fcplug.platform.emulator import Emulator
from support.platforms import event, stranger

platform = Emulator([stranger(Path(sys.argv[1]))])
platform.invoke(event())
print(platform.instances()[0].pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_no_process_outlives_a_platform_that_was_killed(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert found.returncode == -9
    wait_until(lambda: not running(int(found.stdout)))


def test_no_process_and_no_thread_outlives_the_platform(tmp_path: Path) -> None:
    stubborn = "import subprocess; signal.signal(15, signal.SIG_IGN)\n"
    stubborn += "C = [subprocess.Popen(['sleep', '600'], start_new_session=s) for s in (0, 1)]"
    before = set(threading.enumerate())
    descriptors = len(os.listdir("/proc/self/fd"))
    with Emulator([stranger(tmp_path, environment={"BEFORE": stubborn})]) as platform:
        platform.invoke(event(b"run print('pids', *(c.pid for c in C), flush=True)"))
        log = platform.invocations()[0].outcome
        assert isinstance(log, Outcome)
        pids = [int(pid) for pid in re.findall(rb"pids (\d+) (\d+)", log.log)[0]]
        pids.append(platform.instances()[0].pid)
        assert all(lives(pid) for pid in pids)
    wait_until(lambda: not any(map(running, pids)))
    assert set(threading.enumerate()) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert platform.invoke(event()).code == "ServiceUnavailable"


def running(pid: int) -> bool:
    """Return whether a process runs; an orphan that nobody waits for stays as a zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_workers_of_fcplug_freeze_and_end_with_their_instance(tmp_path: Path) -> None:
    function = fcplug_function(tmp_path, freeze=True)
    (tmp_path / "config/functions.yaml").write_text(
        "version: 1\nfunctions:\n  hello: {handler: index.handle, isolation: process}\n"
    )
    (tmp_path / "index.py").write_text(
        "import os\ndef handle(event, context):\n    return str(os.getpid())\n"
    )
    with Emulator([function]) as platform:
        worker = int(platform.invoke(event(function="hello")).body)
        assert worker != platform.instances()[0].pid
        wait_until(lambda: "State:\tT" in Path(f"/proc/{worker}/status").read_text())
        assert int(platform.invoke(event(function="hello")).body) == worker
    wait_until(lambda: not running(worker))


def test_the_platform_ends_while_an_instance_starts(tmp_path: Path) -> None:
    function = stranger(tmp_path, environment={"BEFORE": "time.sleep(600)"})
    with ThreadPoolExecutor(1) as pool, Emulator([function]) as platform:
        waits = pool.submit(platform.invoke, event())
        wait_until(lambda: [one for one in platform.instances() if one.pid])
        [instance] = platform.instances()
        platform.close()
        assert waits.result().code
        assert not lives(instance.pid)


def test_the_history_holds_calls_newest_first(tmp_path: Path) -> None:
    with Emulator([stranger(tmp_path)]) as platform:
        followed = platform.subscribe()
        calls = [event(b"show"), event(b"fail"), event(function="other")]
        outcomes = [platform.invoke(call) for call in calls]
        kept = platform.invocations()
        assert [one.call for one in kept] == calls[::-1]
        assert [one.outcome for one in kept] == outcomes[::-1]
        assert [one.call for one in platform.invocations("f", 1)] == [calls[1]]
        platform.unsubscribe(followed)
    assert outcomes[2].code == "FunctionNotFound"
    kinds = [followed.get_nowait().kind for _ in range(followed.qsize())]
    assert kinds.count("invocation") == 6
