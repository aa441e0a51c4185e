"""Many deaths of workers: each costs at most one call, and no worker outlives its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resilience.kills import crash_campaign, kill_campaign
from support.isolated import CODE, isolated, runs
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

PARENT = """\
import sys, threading, time
sys.path[:0] = [{tests!r}, {code!r}]
from support.isolated import Background, act, isolated
from support.waiting import wait_until
with isolated(workers=3) as workers:
    for seconds in ("hold_the_gil", "sleep 60", "sleep 0.1"):
        Background(lambda: act(workers, seconds))
    wait_until(lambda: len(workers._pool.loaded) == 3)
    print(*(worker.pid for worker in workers._pool.loaded), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _code_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(CODE)


def test_a_kill_costs_at_most_one_call() -> None:
    with isolated(workers=4) as workers:
        figures = kill_campaign(workers, 50)
    assert figures.wrong == 0
    assert figures.worst_round <= 1
    assert figures.answered + figures.died == 150


def test_a_crash_costs_no_other_call() -> None:
    with isolated(workers=4) as workers:
        crashed, answered, innocent = crash_campaign(workers, threads=8, calls=120, percent=3)
    assert innocent == 0
    assert crashed > 10
    assert crashed + answered == 8 * 120


def test_no_worker_outlives_a_parent_that_is_killed() -> None:
    program = PARENT.format(tests=str(Path(__file__).parents[1]), code=str(CODE))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(runs, pids))
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(runs, pids)))
