"""What the page says about the calls that were made."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

ECHO = "def handle(event, context):\n    return event\n"
CODE = """
import os, time
from pathlib import Path

def handle(event, context):
    if event == b"fail":
        raise ValueError("no luck")
    if event == b"pid":
        return str(os.getpid())
    if event == b"die":
        os._exit(9)
    while event.startswith(b"/") and not Path(event.decode()).exists():
        time.sleep(0.01)
    return event

def app(environ, start):
    status = environ["PATH_INFO"][1:] or "200"
    start(f"{status} X", [("Content-Length", "1")])
    return [b"x"]
"""
GREET = {"greet": {"handler": "app:handle"}}


def test_the_page_counts_and_times_the_invocations_of_each_function(start: Any) -> None:
    instance = start(CODE, {**GREET, "other": {"handler": "app:handle"}})
    for event in (b"x", b"y", b"fail"):
        instance.invoke("greet", event)
    instance.invoke("other")
    found = instance.metrics()
    assert found["fcplug_invocations_total", "greet", "event"] == 3
    assert found["fcplug_invocations_total", "other", "event"] == 1
    assert found["fcplug_failures_total", "greet", "event", "ValueError"] == 1
    assert found["fcplug_duration_seconds_count", "greet", "event"] == 3
    assert 0 < found["fcplug_duration_seconds_sum", "greet", "event"] < 60
    assert found["fcplug_queue_seconds_count", "greet", "event"] == 3
    assert found["fcplug_in_flight", "greet", "event"] == 0
    assert found["fcplug_cold_starts_total", "greet"] == 1
    assert ("process_resident_memory_bytes",) in found
    assert ("fcplug_refusals_total", "greet", "event") in found


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_calls_that_run_wait_and_are_refused_are_counted(
    start: Any, until: Any, tmp_path: Path, isolation: str
) -> None:
    gate = tmp_path / "gate"
    entry = {"handler": "app:handle", "concurrency": 1, "queue": 1, "isolation": isolation}
    instance = start(CODE, {"greet": entry})
    event = str(gate).encode()
    threads = [threading.Thread(target=instance.invoke, args=("greet", event)) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: instance.total("fcplug_in_flight") == instance.total("fcplug_waiting") == 1)
    assert instance.invoke("greet").status == 429
    gate.touch()
    for thread in threads:
        thread.join()
    found = instance.metrics()
    assert found["fcplug_refusals_total", "greet", "event"] == 1
    assert found["fcplug_invocations_total", "greet", "event"] == 2
    assert found["fcplug_in_flight", "greet", "event"] == 0
    assert found["fcplug_waiting", "greet", "event"] == 0
    assert not [key for key in found if key[0] == "fcplug_failures_total"]


def test_an_invocation_whose_time_is_up_is_a_failure(start: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    instance = start(CODE, {"greet": {"handler": "app:handle", "timeout": 0.2}})
    instance.invoke("greet", str(gate).encode())
    found = instance.metrics()
    assert found["fcplug_failures_total", "greet", "event", "FunctionTimeoutError"] == 1
    assert found["fcplug_in_flight", "greet", "event"] == 0
    gate.touch()


def test_web_requests_are_counted_and_5xx_are_failures(start: Any, until: Any) -> None:
    instance = start(CODE, {"shop": {"wsgi": "app:app"}})
    for path in ("/200", "/404", "/503"):
        instance.call(path, None, x_fc_function_name="shop")
    # a client has its answer before the request is counted
    until(lambda: instance.total("fcplug_invocations_total", "shop", "web") == 3)
    found = instance.metrics()
    assert found["fcplug_failures_total", "shop", "web", "503"] == 1
    assert found["fcplug_in_flight", "shop", "web"] == 0


def test_initialize_hooks_that_fail_are_counted(start: Any) -> None:
    code = f"{ECHO}\ndef begin(context):\n    raise OSError\n"
    instance = start(code, {"greet": {"handler": "app:handle", "initializer": "app:begin"}})
    for _ in range(2):
        instance.invoke("greet")
    found = instance.metrics()
    assert found["fcplug_initialize_failures_total", "greet"] == 2
    assert ("fcplug_cold_starts_total", "greet") not in found


def test_classes_of_errors_do_not_grow_without_end(start: Any) -> None:
    code = "def handle(event, context):\n    raise type(event.decode(), (Exception,), {})\n"
    instance = start(code, GREET)
    for number in range(60):
        instance.invoke("greet", b"E%d" % number)
    series = [key for key in instance.metrics() if key[0] == "fcplug_failures_total"]
    assert len(series) == 51
    assert instance.metrics()["fcplug_failures_total", "greet", "event", "other"] == 10


def test_several_processes_show_one_sum_and_keep_the_counts_of_dead_ones(
    start: Any, until: Any
) -> None:
    instance = start(CODE, GREET, processes=2)
    pids: set[bytes] = set()
    sent = 0
    while len(pids) < 2:
        pids.add(instance.invoke("greet", b"pid").body)
        sent += 1
        assert sent < 1000
    assert instance.total("fcplug_invocations_total", "greet") == sent
    assert instance.total("fcplug_cold_starts_total", "greet") == 2
    (folder,) = [path for path in folders() if files_of(path, pids)]
    assert len(files_of(folder, pids)) >= 4
    for number in range(1, 4):
        victim = min(pids)
        os.kill(int(victim), signal.SIGKILL)
        pids.discard(victim)
        while len(pids) < 2:
            pids.add(instance.invoke("greet", b"pid").body)
            sent += 1
        until(lambda: instance.total("fcplug_invocations_total", "greet") == sent)  # noqa: B023
        assert instance.total("fcplug_cold_starts_total", "greet") == 2 + number
        assert not files_of(folder, {victim})
    assert instance.total("fcplug_in_flight") == 0
    assert instance.stop() == 0
    assert not folder.exists()


def folders() -> list[Path]:
    return [*Path("/dev/shm").glob("fcplug-metrics-*"), *Path("/tmp").glob("fcplug-metrics-*")]


def files_of(folder: Path, pids: set[bytes]) -> list[Path]:
    """Return the files that processes have in a folder."""
    return [file for pid in pids for file in folder.glob(f"*_{pid.decode()}.db")]


def test_the_folder_of_an_instance_that_was_killed_goes_at_the_next_start(
    start: Any, until: Any
) -> None:
    killed = start(CODE, GREET, processes=2)
    pid = killed.invoke("greet", b"pid").body
    (folder,) = [path for path in folders() if files_of(path, {pid})]
    killed.process.kill()
    killed.process.wait()
    children = [int(file.stem.rpartition("_")[2]) for file in folder.glob("*.db")]
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))

    def next_start_removes_it() -> bool:
        with_folder = start(ECHO, GREET, processes=2)
        assert with_folder.invoke("greet").status == 200
        assert with_folder.stop() == 0
        return not folder.exists()

    until(next_start_removes_it)


def test_metrics_of_the_handler_s_own_are_on_the_page_of_workers_too(
    start: Any, tmp_path: Path
) -> None:
    code = """
from prometheus_client import Counter
sold = Counter("sold", "Things sold", ["what"])
def handle(event, context):
    sold.labels(event.decode()).inc()
"""
    entry = {"handler": "app:handle", "isolation": "process", "workers": 2}
    instance = start(code, {"greet": entry}, metrics={"folder": str(tmp_path / "counts")})
    for _ in range(3):
        instance.invoke("greet", b"tea")
    assert instance.total("sold_total", "tea") == 3
    assert instance.total("fcplug_invocations_total", "greet") == 3


def test_a_folder_that_cannot_be_used_costs_the_metrics_and_no_call(
    start: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    instance = start(ECHO, GREET, metrics={"folder": str(tmp_path / "file" / "counts")})
    assert instance.invoke("greet", b"x").body == b"x"
    assert "an observer failed in 'opened'" in instance.log
    assert b"# HELP" not in instance.call("/metrics", None).body


@pytest.mark.parametrize("settings", [{}, {"on_fc": True}])
def test_on_fc_there_is_no_page_unless_asked_for(start: Any, settings: dict[str, Any]) -> None:
    environ = {"FC_FUNCTION_NAME": "greet"}
    instance = start(ECHO, GREET, metrics=settings, environ=environ)
    assert instance.invoke("greet", b"x").body == b"x"
    page = instance.call("/metrics", None, x_fc_control_path="/http-invoke")
    assert (b"fcplug_invocations_total" in page.body) is bool(settings)


def test_the_page_has_a_path_of_its_own_and_the_authentication_of_functions(start: Any) -> None:
    token = "token-of-sixteen-letters"
    instance = start(ECHO, GREET, metrics={"path": "/internal/m"}, auth={"tokens": [token]})
    assert instance.call("/internal/m", None).status == 401
    page = instance.call("/internal/m", None, authorization=f"Bearer {token}")
    assert page.status == 200
    assert b"# HELP" in page.body
    elsewhere = instance.call("/metrics", None, authorization=f"Bearer {token}")
    assert b"# HELP" not in elsewhere.body


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"path": "metrics"}, "path: 'metrics' is not allowed: it begins with /"),
        ({"buckets": [1, 1]}, "buckets: not allowed"),
        ({"buckets": []}, "buckets: not allowed"),
        ({"paht": "/m"}, "unknown key 'paht' (did you mean 'path'?)"),
    ],
)
def test_a_setting_that_is_wrong_is_reported_with_its_place(
    start: Any, settings: dict[str, Any], text: str
) -> None:
    instance = start(ECHO, GREET, metrics=settings)
    assert text in instance.log
    assert "runtime.observers[0].settings" in instance.log
    assert instance.invoke("greet", b"x").body == b"x"


def test_a_child_that_a_handler_forks_counts_nothing(start: Any) -> None:
    code = """
import os
def handle(event, context):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return event
"""
    instance = start(code, GREET)
    for _ in range(3):
        instance.invoke("greet")
    assert instance.total("fcplug_invocations_total", "greet") == 3
