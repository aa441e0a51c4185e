"""The parts of a worker: process, assignment, error report, circuit breaker."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fcplug import result
from fcplug.config.interpolation import FromEnvironment
from fcplug.config.loader import parse
from fcplug.errors import PluginError, RemoteError
from fcplug.workers import WorkerSettings
from fcplug.workers.assignment import Assignment
from fcplug.workers.circuit_breaker import DEATHS, LONGEST_PAUSE, PAUSE, WINDOW, CircuitBreaker
from fcplug.workers.error_report import ErrorReport
from fcplug.workers.process import WorkerProcess
from fcplug.workers.wire import MAX_PART
from support.isolated import runs
from support.waiting import wait_until

CONFIG = """\
version: 1
defaults: {settings: {shared: 1}}
functions:
  other: {handler: x, settings: {secret: not yours}}
  mine:
    handler: h
    middleware: [{name: m, settings: {size: "${SIZE}"}}]
    settings: {list: [{deep: "${SIZE}"}, "plain"], number: 0xFFFFFFFFFFFFFFFF, ratio: 0.1}
"""


def python(code: str) -> Callable[[int], Sequence[str]]:
    return lambda fd: [sys.executable, "-c", code, str(fd)]


@pytest.fixture
def started() -> Iterator[Callable[[str], WorkerProcess]]:
    processes: list[WorkerProcess] = []

    def start(code: str) -> WorkerProcess:
        processes.append(WorkerProcess(python(code), lambda: None))
        return processes[-1]

    yield start
    for process in processes:
        process.close()
        assert process.wait(60)


@pytest.mark.parametrize(
    ("code", "how", "killed"),
    [
        ("raise SystemExit(4)", "ended with exit code 4", False),
        ("", "ended with exit code 0", False),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV", True),
        ("import os; os.kill(os.getpid(), 40)", "was killed by signal 40", True),
    ],
)
def test_the_end_of_a_process_is_described_in_words(
    started: Callable[[str], WorkerProcess], code: str, how: str, killed: bool
) -> None:
    process = started(code)
    assert process.wait(60)
    assert (process.exit_reason, process.killed) == (how, killed)
    process.kill()


def test_the_end_of_a_process_is_noticed_even_if_a_fork_keeps_the_connection(
    started: Callable[[str], WorkerProcess], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    process = started(
        "import os, time\nif os.fork() == 0:\n os.setsid()\n"
        f" open({str(pid)!r}, 'w').write(str(os.getpid()))\n time.sleep(300)\n"
        f"while not os.path.exists({str(pid)!r}) or not open({str(pid)!r}).read(): pass"
    )
    process.socket.settimeout(60)
    assert process.socket.recv(1) == b""
    os.kill(int(pid.read_text()), signal.SIGKILL)  # fails if the fork has ended, too


def test_a_group_ends_with_its_process(
    started: Callable[[str], WorkerProcess], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    process = started(
        f"import os, time\nif not os.fork():\n open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        " time.sleep(60)\n"
        f"while not os.path.exists({str(pid)!r}) or not open({str(pid)!r}).read(): pass"
    )
    assert process.wait(60)
    wait_until(lambda: not runs(int(pid.read_text())))


def test_a_process_has_no_input_a_session_and_only_its_own_connection(
    started: Callable[[str], WorkerProcess], tmp_path: Path
) -> None:
    facts = tmp_path / "facts"
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        process = started(
            "import os, sys\n"
            "fds = [fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
            f"open({str(facts)!r}, 'w').write(repr((sys.stdin.read(), os.getsid(0) == os.getpid(),"
            " fds == [0, 1, 2, int(sys.argv[1])])))"
        )
        assert process.wait(60)
    assert facts.read_text() == "('', True, True)"


def test_the_thread_that_started_a_process_lives_as_long_as_it(
    started: Callable[[str], WorkerProcess],
) -> None:
    threads = set(threading.enumerate())
    starter = threading.Thread(target=lambda: started("import time; time.sleep(60)"))
    starter.start()
    starter.join()
    (attendant,) = set(threading.enumerate()) - threads
    assert attendant.daemon
    time.sleep(0.1)
    assert attendant.is_alive()


@pytest.mark.parametrize("program", ["/no/such/python", "/etc/passwd", "nul\0byte"])
def test_a_program_that_cannot_be_run_raises(program: str) -> None:
    with pytest.raises((OSError, ValueError)):
        WorkerProcess(lambda fd: [program, str(fd)], lambda: None)


def test_an_assignment_arrives_whole_and_holds_nothing_of_other_functions() -> None:
    config = parse(CONFIG, "functions.yaml", {"SIZE": "3"})
    spec = config.functions["mine"]
    sent = Assignment(spec, config.document, WorkerSettings(folder="/tmp", log_format="json"))
    header = json.loads(json.dumps(sent.to_header()))
    assert "not yours" not in str(header)
    arrived = Assignment.from_header(header)
    assert (arrived.spec, arrived.settings) == (spec, sent.settings)
    assert type(arrived.spec.settings["list"][0]["deep"]) is FromEnvironment
    assert type(arrived.spec.settings["list"][1]) is str
    assert type(arrived.spec.middleware[0].settings["size"]) is FromEnvironment
    assert arrived.spec.settings["number"] == 2**64 - 1
    for path in [("functions", "mine", "settings", "ratio"), ("defaults", "settings", "shared")]:
        assert arrived.document.problem(path, "x") == config.document.problem(path, "x")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_report_makes_an_error_with_the_same_document_and_log() -> None:
    error = raised(ValueError("no"))
    remote = ErrorReport.from_header(ErrorReport.from_error(error).to_header()).to_error()
    assert isinstance(remote, RemoteError)
    assert (remote.error_type, str(remote)) == ("ValueError", "no")
    assert result.format_error(remote) == result.format_error(error)


def test_a_report_of_a_load_error_makes_a_load_error() -> None:
    error = PluginError("UserCodeError", "what", fix="fix", causes=["one", "two"]).located("here")
    error.__cause__ = raised(KeyError("why"))
    remote = ErrorReport.from_header(ErrorReport.from_error(error).to_header()).to_error()
    assert isinstance(remote, PluginError)
    assert vars(remote) == {**vars(error), "log_text": result.format_error(error)}
    assert result.format_error(remote) == result.format_error(error)


def test_an_error_too_large_to_send_is_reported_by_its_class() -> None:
    report = ErrorReport.from_error(ValueError("x" * MAX_PART))
    assert (report.kind, report.trace) == ("ValueError", [])
    assert len(report.message) < 100


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_deaths_in_a_row_open_the_circuit_for_longer_each_time() -> None:
    clock = Clock()
    circuit = CircuitBreaker(clock)
    for _ in range(DEATHS - 1):
        circuit.record_death("of x")
    assert not circuit.open
    circuit.record_death("of y")
    assert circuit.open
    assert "of y" in circuit.why
    clock.now += PAUSE
    assert not circuit.open
    circuit.record_death("again")
    clock.now += PAUSE
    assert circuit.open
    clock.now += PAUSE
    assert not circuit.open
    for _ in range(20):
        clock.now += 0.1
        circuit.record_death("again")
    clock.now += LONGEST_PAUSE - 0.01
    assert circuit.open
    clock.now += 0.02
    assert not circuit.open


def test_deaths_far_apart_or_with_an_answer_between_them_do_not() -> None:
    clock = Clock()
    circuit = CircuitBreaker(clock)
    for _ in range(10):
        circuit.record_death("of x")
        clock.now += WINDOW / (DEATHS - 1) + 0.1
        assert not circuit.open
    for _ in range(10):
        circuit.record_death("of x")
        circuit.record_answer()
    assert not circuit.open


def test_a_process_killed_from_outside_is_noticed_at_once(
    started: Callable[[str], WorkerProcess],
) -> None:
    process = started("import time; time.sleep(60)")
    assert not process.wait(0)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(60)
