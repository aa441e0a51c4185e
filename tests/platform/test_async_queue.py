"""The queue of asynchronous calls: states, retries, destinations, a full disk and a kill."""

import collections
import contextlib
import http.client
import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fcplug.platform.answers import ApiError
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.model import Call, Destinations, Outcome
from fcplug.platform.queue_file import QueueInUse, QueueUnusable
from fcplug.platform.task import Task, TaskChange, TaskState
from support import commands, small_platform
from support.small_platform import SmallPlatform, answer, failure
from support.waiting import wait_until


@pytest.fixture
def platform(tmp_path: Path) -> SmallPlatform:
    return SmallPlatform(tmp_path)


@pytest.fixture
def queue(platform: SmallPlatform, tmp_path: Path) -> Iterator[AsyncQueue]:
    queue = AsyncQueue(platform, tmp_path / "queue.db", pause=0.01)
    yield queue
    queue.close()


def call(function: str, payload: bytes = b"", number: int = 0) -> Call:
    return Call(function=function, request_id=f"r-{function}-{number}", payload=payload)


def task(queue: AsyncQueue, function: str, task_id: str) -> Task:
    found = queue.tasks.find(function, task_id)
    assert found is not None
    return found


def ended(queue: AsyncQueue, function: str, task_id: str) -> Task:
    wait_until(lambda: task(queue, function, task_id).ended is not None)
    return task(queue, function, task_id)


def states(found: Task) -> list[str]:
    return [event.state.value for event in found.events]


def test_an_accepted_call_runs_and_its_answer_can_be_looked_up(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    assert queue.accept(call("echo", b"hello"), "first") == "first"
    found = ended(queue, "echo", "first")
    assert (found.state, found.answer) == (TaskState.SUCCEEDED, b"hello")
    assert states(found) == ["Enqueued", "Running", "Succeeded"]
    assert found.duration_ms == 1.25
    assert [made.kind for made in platform.calls] == ["async"]


def test_without_an_id_the_task_has_that_of_the_request(queue: AsyncQueue) -> None:
    assert queue.accept(call("echo")) == "r-echo-0"
    assert ended(queue, "echo", "r-echo-0").state is TaskState.SUCCEEDED


@pytest.mark.parametrize("task_id", ["1a", "-a", "a b", "a" * 129, "a\n", "é", "a/b"])
def test_a_malformed_id_is_refused(queue: AsyncQueue, task_id: str) -> None:
    with pytest.raises(ApiError, match="malformed") as caught:
        queue.accept(call("echo"), task_id)
    assert (caught.value.status, caught.value.code) == (400, "InvalidArgument")


def test_an_id_of_128_characters_is_accepted(queue: AsyncQueue) -> None:
    assert queue.accept(call("echo"), "_" + "a-9" * 42 + "Z") == "_" + "a-9" * 42 + "Z"


def test_an_id_is_taken_once_and_only_for_its_function(queue: AsyncQueue) -> None:
    queue.accept(call("echo"), "one")
    with pytest.raises(ApiError, match="already has"):
        queue.accept(call("echo", number=2), "one")
    queue.accept(call("fails"), "one")


def test_a_failed_call_is_tried_again_with_its_retry_count(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    queue.accept(call("fails"), "one")
    found = ended(queue, "fails", "one")
    assert [made.retry for made in platform.calls] == [0, 1, 2, 3]
    assert (found.state, found.retry) == (TaskState.FAILED, 3)
    assert found.error == "UnhandledInvocationError"
    assert states(found) == ["Enqueued", *["Running", "Retrying"] * 3, "Running", "Failed"]


def test_a_call_that_succeeds_at_last_has_succeeded(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    platform.add("late", lambda made: answer(b"at last") if made.retry == 2 else failure())
    queue.accept(call("late"), "one")
    found = ended(queue, "late", "one")
    assert (found.state, found.retry, found.error) == (TaskState.SUCCEEDED, 2, "")


def test_the_pause_before_a_retry_doubles(tmp_path: Path, platform: SmallPlatform) -> None:
    queue = AsyncQueue(platform, tmp_path / "slow.db", pause=0.05)
    queue.accept(call("fails"), "one")
    found = ended(queue, "fails", "one")
    at = [event.at for event in found.events]
    waited = [at[n + 1] - at[n - 1] for n in (2, 4, 6)]  # from one Running to the next
    assert [seconds >= least for seconds, least in zip(waited, (0.05, 0.1, 0.2), strict=True)] == [
        True
    ] * 3
    queue.close()


def test_a_throttled_call_waits_without_counting_as_a_retry(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    def throttled(made: Call) -> Outcome:
        if len(platform.calls) < 4:
            return Outcome(status=429, code="ResourceExhausted", message="all instances are busy")
        return answer(b"")

    platform.add("busy", throttled, retries=0)
    queue.accept(call("busy"), "one")
    found = ended(queue, "busy", "one")
    assert (found.state, found.retry) == (TaskState.SUCCEEDED, 0)
    assert [made.retry for made in platform.calls] == [0] * 4


def test_a_platform_that_raises_fails_the_call_and_not_the_queue(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    def fall(_: Call) -> Outcome:
        raise RuntimeError("fell")

    platform.add("falls", fall, retries=0)
    queue.accept(call("falls"), "one")
    assert ended(queue, "falls", "one").error == "InternalServerError: fell"
    queue.accept(call("echo"), "two")
    assert ended(queue, "echo", "two").state is TaskState.SUCCEEDED


@pytest.mark.parametrize(("function", "condition"), [("good", ""), ("bad", "CAExited")])
def test_the_destination_gets_the_outcome(
    queue: AsyncQueue, platform: SmallPlatform, function: str, condition: str
) -> None:
    to = Destinations(on_success="echo", on_failure="echo")
    platform.add("good", lambda _: answer(b"fine"), destinations=to)
    gone = Outcome(status=412, code="CAExited", message="it exited")
    platform.add("bad", lambda _: gone, destinations=to, retries=1)
    queue.accept(call(function, b"event"), "one")
    wait_until(lambda: "echo" in [made.function for made in platform.calls])
    report = json.loads(platform.calls[-1].payload)
    assert report["requestContext"]["requestId"] == f"r-{function}-0"
    assert report["requestContext"]["condition"] == condition
    assert report["requestContext"]["functionArn"].endswith(f":functions/{function}")
    assert report["requestContext"]["approximateInvokeCount"] == (2 if condition else 1)
    assert report["requestPayload"] == "event"
    assert report["responseContext"]["statusCode"] == (412 if condition else 200)
    assert report["responsePayload"] == ("" if condition else "fine")
    assert task(queue, function, "one").destination == "Succeeded"


def test_an_unknown_destination_is_shown_as_failed(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    platform.add("good", lambda _: answer(b""), destinations=Destinations(on_success="nobody"))
    queue.accept(call("good"), "one")
    assert ended(queue, "good", "one").destination == "Failed"


def changes(platform: SmallPlatform) -> list[tuple[str, str, int]]:
    """Return what those who follow the platform got of its queue."""
    told = [happening.value for happening in platform.happenings if happening.kind == "queue"]
    return [
        (each.function, each.state.value, each.retry)
        for each in told
        if isinstance(each, TaskChange)
    ]


def test_followers_get_each_change_of_a_task_in_order(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    platform.add(
        "late",
        lambda made: answer(b"") if made.retry else failure(),
        destinations=Destinations(on_success="echo"),
    )
    queue.accept(call("late"), "one")
    wait_until(lambda: len(changes(platform)) == 8)
    of_late = [each[1:] for each in changes(platform) if each[0] == "late"]
    assert of_late == [
        ("Enqueued", 0), ("Running", 0), ("Retrying", 1), ("Running", 1), ("Succeeded", 1),
    ]  # fmt: skip
    of_echo = [each[1] for each in changes(platform) if each[0] == "echo"]
    assert of_echo == ["Enqueued", "Running", "Succeeded"]


def test_followers_get_a_task_that_is_stopped(queue: AsyncQueue, platform: SmallPlatform) -> None:
    gate = Gate()
    platform.add("slow", gate, max_instances=1)
    queue.accept(call("slow"), "runs")
    gate.started.acquire()
    queue.accept(call("slow", number=1), "waits")
    queue.stop("slow", "waits")
    queue.stop("slow", "waits")
    queue.stop("slow", "runs")
    gate.open.set()
    ended(queue, "slow", "runs")
    wait_until(lambda: len(changes(platform)) == 6)
    stops = [each[1] for each in changes(platform) if each[1].startswith("Stop")]
    assert stops == ["Stopped", "Stopping", "Stopped"]


def test_a_function_that_is_gone_makes_its_tasks_invalid(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    queue.accept(call("nobody"), "one")
    assert ended(queue, "nobody", "one").state is TaskState.INVALID


class Gate:
    """A function that runs until it is let go."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, _: Call) -> Outcome:
        self.started.release()
        self.open.wait(60)
        return failure()


def test_a_running_task_that_is_stopped_is_not_tried_again(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    gate = Gate()
    platform.add("slow", gate)
    queue.accept(call("slow"), "one")
    gate.started.acquire()
    queue.stop("slow", "one")
    assert task(queue, "slow", "one").state is TaskState.STOPPING
    gate.open.set()
    assert ended(queue, "slow", "one").state is TaskState.STOPPED
    assert len(platform.calls) == 1


def test_a_slow_function_holds_up_only_itself_and_a_waiting_task_can_be_stopped(
    queue: AsyncQueue, platform: SmallPlatform
) -> None:
    gate = Gate()
    platform.add("slow", gate, max_instances=1)
    for number in range(40):  # more than the queue has threads
        queue.accept(call("slow", number=number), f"t{number}")
    gate.started.acquire()
    queue.accept(call("echo"), "one")
    assert ended(queue, "echo", "one").state is TaskState.SUCCEEDED
    queue.stop("slow", "t39")
    assert ended(queue, "slow", "t39").state is TaskState.STOPPED
    assert len([made for made in platform.calls if made.function == "slow"]) == 1
    for number in range(39):
        queue.stop("slow", f"t{number}")
    gate.open.set()


def test_an_orderly_end_keeps_what_waits(tmp_path: Path, platform: SmallPlatform) -> None:
    gate = Gate()
    platform.add("slow", gate, max_instances=1, retries=0)
    queue = AsyncQueue(platform, tmp_path / "queue.db")
    queue.accept(call("slow"), "runs")
    queue.accept(call("slow", number=1), "waits")
    gate.started.acquire()
    queue.close(patience=0.1)
    gate.open.set()
    platform.add("slow", lambda made: answer(str(made.retry).encode()))
    queue = AsyncQueue(platform, tmp_path / "queue.db")
    assert ended(queue, "slow", "runs").answer == b"1"  # it had begun: the count says so
    assert ended(queue, "slow", "waits").answer == b"0"
    queue.close()


def test_two_platforms_may_not_use_one_queue(
    queue: AsyncQueue, platform: SmallPlatform, tmp_path: Path
) -> None:
    with pytest.raises(QueueInUse, match="another platform uses this queue"):
        AsyncQueue(platform, tmp_path / "queue.db")


def test_a_file_that_is_no_queue_is_reported_with_its_fix(
    platform: SmallPlatform, tmp_path: Path
) -> None:
    (tmp_path / "queue.db").write_bytes(b"something else " * 100)
    with pytest.raises(QueueUnusable) as caught:
        AsyncQueue(platform, tmp_path / "queue.db")
    assert "cannot be opened: file is not a database\n  fix: remove it" in str(caught.value)
    for file in tmp_path.glob("queue.db*"):
        file.unlink()
    AsyncQueue(platform, tmp_path / "queue.db").close()  # nothing of the first one is left


def test_a_full_disk_at_the_start_is_reported_with_its_fix(tmp_path: Path) -> None:
    code = (
        "import pathlib as p; from fcplug.platform import task_file as t; t.TaskFile(p.Path('q'))"
    )
    done = subprocess.run(
        ["bash", "-c", f'ulimit -f 4; exec "$0" -c "{code}"', sys.executable],
        cwd=tmp_path,
        env=commands.unmeasured(PYTHONDONTWRITEBYTECODE="1"),  # it would be cut off
        capture_output=True,
        text=True,
        check=False,
    )
    assert "QueueUnusable: q: the queue of asynchronous calls cannot be opened" in done.stderr
    assert "fix: free some space on its disk, or let TMPDIR name another folder" in done.stderr


def test_only_the_user_may_read_the_queue(queue: AsyncQueue, tmp_path: Path) -> None:
    queue.accept(call("echo", b"secret"))
    for file in tmp_path.glob("queue.db*"):
        assert file.stat().st_mode & 0o077 == 0, file


def test_tasks_that_ended_long_ago_are_forgotten(queue: AsyncQueue) -> None:
    for number in range(8):
        queue.accept(call("echo", number=number), f"t{number}")
    wait_until(lambda: queue.tasks.counts() == {TaskState.SUCCEEDED: 8})
    queue.tasks.prune(5)
    assert queue.tasks.counts() == {TaskState.SUCCEEDED: 5}
    assert queue.tasks.find("echo", "t7") is not None


class Program:
    """The platform in a process of its own, over a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, small_platform.__file__, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def invoke(self, event: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            headers = {"x-fc-invocation-type": "Async", "x-fc-async-task-id": event}
            path = "/2023-03-30/functions/record/invocations"
            connection.request("POST", path, event, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")

    def ended(self) -> int:
        """Return how many of the first 1,000 tasks have succeeded."""
        total, token = 0, ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            while True:
                path = "/2023-03-30/functions/record/async-tasks?limit=100&status=Succeeded"
                connection.request("GET", path + (token and f"&nextToken={token}"))
                document = json.loads(connection.getresponse().read())
                total += len(document["tasks"])
                token = document.get("nextToken", "")
                if not token:
                    return total


@pytest.mark.slow
def test_a_kill_loses_no_accepted_call_and_a_second_run_has_another_retry_count(
    tmp_path: Path,
) -> None:
    program = Program(tmp_path)
    accepted: list[str] = []

    def send(number: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if program.invoke(f"t{number}")[0] == 202:
                accepted.append(f"t{number}")

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, number) for number in range(1000)]
        wait_until(lambda: len(accepted) > 400)
        program.kill()  # while calls are accepted, wait and run
        for future in sent:
            future.result()
    before = set(accepted)
    assert 400 < len(before) < 1000
    program = Program(tmp_path)
    for number in range(1000):
        if f"t{number}" not in before:  # their clients know of no answer: they send again
            status, _ = program.invoke(f"t{number}")
            assert status in (202, 400)  # 400: it had been accepted, only the answer was lost
    wait_until(lambda: program.ended() == 1000)
    program.kill()
    ran = (tmp_path / "ran.txt").read_text().splitlines()
    runs = collections.Counter(line for line in ran if not line.endswith(" done"))
    assert [run for run, times in runs.items() if times > 1] == []
    assert {line.split()[0] for line in ran if line.endswith(" done")} == {
        f"t{number}" for number in range(1000)
    }


def limit_files(pid: int, size: int) -> None:
    """Let no file of a process grow beyond a size, as on a full disk; -1 is any size."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_is_a_clear_503_and_the_queue_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    program = Program(tmp_path)
    limit_files(program.process.pid, 1024 * 1024)
    event, answers = "t" + "x" * 100, []
    for number in range(20_000):
        answers.append(program.invoke(f"{event}{number}"))
        if answers[-1][0] != 202:
            break
    status, document = answers[-1]
    assert (status, document["Code"]) == (503, "ResourceThrottled")
    assert "free some space" in document["Message"]
    limit_files(program.process.pid, resource.RLIM_INFINITY)
    wait_until(lambda: program.invoke("more")[0] in (202, 400))
    wait_until(lambda: program.ended() == len(answers))
    program.kill()
