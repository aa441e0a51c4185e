"""Shadows in a whole instance: what FC's log has, what clients cannot do, how it stops."""

import json
import re
import signal
import time
from pathlib import Path

import pytest

from support.deployed import deploy, start
from support.waiting import wait_until

CONFIG = """\
version: 1
runtime: {processes: 2, drain_timeout: 5}
functions:
  v1: {handler: shop.v1, shadow: v2}
  v2: {handler: shop.v2}
  v3: {handler: shop.v1, shadow: {to: hanging, timeout: 3600}}
  hanging: {handler: shop.hanging}
"""
SHOP = """\
import time

def v1(event, context):
    return {"copy of": context.shadow_of, "n": 1}

def v2(event, context):
    print("v2 has", event.decode())
    return {"copy of": "", "n": 2}

def hanging(event, context):
    print("it hangs", flush=True)
    time.sleep(3600)
"""


def test_a_copy_has_its_own_lines_in_the_log_but_none_of_fc(tmp_path: Path) -> None:
    with start(deploy(tmp_path, CONFIG, {"shop.py": SHOP})) as running:
        spoofed = {"x_fcplug_shadow_of": "1-1", "fcplug-shadow-of": "1-1"}
        answer = running.invoke("v1", b"Ada", x_fc_request_id="1-2", **spoofed)
        assert json.loads(answer.body) == {"copy of": "", "n": 1}
        line = running.wait_for(r"^.* 1-2-shadow \[WARNING\] shadow .*$")[0]
        assert re.search(
            r"shadow 'v2' of 'v1': differs: n has another value; \d+ bytes in [\d.]+ ms, "
            r"'v1' had \d+ bytes in [\d.]+ ms$",
            line,
        )
        assert "v2 has Ada" in running.log
        assert running.log.count("FC Invoke Start RequestId: 1-2") == 1
        assert "FC Invoke Start RequestId: 1-2-shadow" not in running.log


def test_a_copy_that_hangs_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with start(deploy(tmp_path, CONFIG, {"shop.py": SHOP})) as running:
        assert running.invoke("v3", b"Ada").status == 200
        running.wait_for("it hangs")
        assert running.stop(signal.SIGTERM) == 0


FROZEN = """\
version: 1
functions:
  v1: {handler: shop.v1, shadow: {to: v2, timeout: 3}}
  v2: {handler: shop.v2, isolation: ISOLATION}
"""
WAITING = """\
import os, time

def v1(event, context):
    return "first"

def v2(event, context):
    open("begun", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "first"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("isolation", "begun"), [("thread", False), ("thread", True), ("process", True)]
)
def test_a_freeze_after_the_answer_costs_no_call_and_is_no_timeout_of_the_copy(
    tmp_path: Path, isolation: str, begun: bool
) -> None:
    """A copy that had not begun before the freeze may be left out."""
    folder = deploy(tmp_path, FROZEN.replace("ISOLATION", isolation), {"shop.py": WAITING})
    with start(folder) as running:
        (folder / "go").touch()
        assert running.invoke("v1", x_fc_request_id="1-warm").body == b"first"
        running.wait_for("1-warm-shadow .* same answer")
        (folder / "go").unlink()
        (folder / "begun").unlink()
        assert running.invoke("v1", x_fc_request_id="1-a").body == b"first"
        if begun:
            wait_until((folder / "begun").exists)
        running.process.send_signal(signal.SIGSTOP)
        time.sleep(4.5)  # longer than the copy may take
        running.process.send_signal(signal.SIGCONT)
        # the next call is answered while the copy still runs
        assert running.invoke("v1", x_fc_request_id="1-b").body == b"first"
        if begun:
            assert "1-a-shadow" not in running.log
        (folder / "go").touch()
        done = running.wait_for("1-a-shadow .* shadow 'v2' of 'v1': (.*)$")[1]
        assert done.startswith(("same answer",) if begun else ("same answer", "not compared"))
        running.wait_for("1-b-shadow .* shadow 'v2' of 'v1': same answer")
        assert "FunctionTimeoutError" not in running.log
        assert "did not end by its deadline" not in running.log
        assert running.stop() == 0
