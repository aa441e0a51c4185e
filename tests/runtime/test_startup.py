"""Loading at start: no function holds up another, and the log says how each fares."""

import re
import venv
from pathlib import Path

import pytest

from support.deployed import deploy, start

GOOD = "def handle(event, context):\n    return 'hi'\n"
HANGS = (
    "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\n"
    "def handle(event, context): return 'late'\n"
)
AROUND = """\
version: 1
runtime: {processes: PROCESSES}
functions:
  first: {handler: greeter.handle}
  bad: ENTRY
  last: {handler: greeter.handle}
"""
CANNOT_START = {
    "no such python": (
        "{handler: greeter.handle, isolation: process, python: /nope}",
        "/nope cannot be run: No such file or directory\n  fix: correct its 'python'",
    ),
    "a python without fcplug": (
        "{handler: greeter.handle, isolation: process, python: bare}",
        "bare/bin/python cannot run a worker: ModuleNotFoundError: No module named 'fcplug'\n",
    ),
    "no python at all": (
        "{handler: greeter.handle, isolation: process, python: ./true}",
        "./true ended with exit code 0 before it became a worker",
    ),
    "code that ends the process": (
        "{handler: ends.handle, isolation: process}",
        "ended with exit code 3 while it imported the function's code",
    ),
    "code that crashes the process": (
        "{handler: crashes.handle, isolation: process}",
        "was killed by SIGSEGV while it imported the function's code",
    ),
}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("entry", "reason"), CANNOT_START.values(), ids=CANNOT_START)
def test_a_worker_that_cannot_start_is_a_row_and_the_others_are_loaded(
    tmp_path: Path, entry: str, reason: str, processes: int
) -> None:
    files = {
        "greeter.py": GOOD,
        "ends.py": "import os; os._exit(3)\n",
        "crashes.py": "import ctypes; ctypes.string_at(0)\n",
    }
    folder = deploy(
        tmp_path, AROUND.replace("PROCESSES", str(processes)).replace("ENTRY", entry), files
    )
    venv.create(folder / "bare", with_pip=False, symlinks=True)
    (folder / "true").write_text("#!/bin/sh\nexit 0\n")
    (folder / "true").chmod(0o755)
    with start(folder) as instance:
        assert instance.invoke("last").body == b"hi"
        instance.wait_for("^  bad .* NOT LOADED")  # on a slow machine after all others
        log = instance.log
    assert reason in log
    assert re.search(r"^  bad .* NOT LOADED: WorkerUnavailable \(see above\)$", log, re.MULTILINE)
    assert re.search(r"^  last +greeter.handle$", log, re.MULTILINE)
    assert "try: curl -d Ada -H 'x-fc-function-name: first'" in log
    assert "Traceback" not in log
    assert "CRITICAL" not in log
    if processes > 1:
        assert log.count("NOT LOADED") == 1  # loaded once, for all processes


@pytest.mark.parametrize("runtime", ["{}", "{processes: 2}", "{processes: 2, preload: false}"])
def test_code_that_hangs_while_it_is_imported_is_named_and_holds_up_nobody(
    tmp_path: Path, runtime: str
) -> None:
    config = (
        f"version: 1\nruntime: {runtime}\nfunctions:\n  bad: {{handler: hang.handle}}\n"
        "  worse: {handler: hang.handle}\n  good: {handler: greeter.handle}\n"
    )
    folder = deploy(tmp_path, config, {"hang.py": HANGS, "greeter.py": GOOD})
    with start(folder) as instance:
        instance.wait_for(r"WARNING\] still importing 'bad', at .*/hang\.py:2$")
        assert instance.invoke("good").body == b"hi"
        assert "function-name: good'" in instance.wait_for("^try: .*$")[0]
        (folder / "go").touch()
        instance.wait_for(r"^  bad    hang.handle$")
        instance.wait_for(r"^  worse  hang.handle$")
        assert instance.invoke("bad").body == b"late"


def test_code_that_hangs_in_a_worker_is_named_too(tmp_path: Path) -> None:
    config = (
        "version: 1\nfunctions:\n  bad: {handler: hang.handle, isolation: process}\n"
        "  good: {handler: greeter.handle}\n"
    )
    folder = deploy(tmp_path, config, {"hang.py": HANGS, "greeter.py": GOOD})
    with start(folder) as instance:
        instance.wait_for(r"WARNING\] still importing 'bad', at .*/hang\.py:2$")
        assert instance.invoke("good").body == b"hi"
        (folder / "go").touch()
        instance.wait_for(r"^  bad   hang.handle$")


def test_code_that_a_call_imports_is_named_when_it_hangs(tmp_path: Path) -> None:
    config = (
        "version: 1\nfunctions:\n  bad: {handler: hang.handle}\n  good: {handler: greeter.handle}\n"
    )
    files = {"hang.py": f"import socket\nimport slow\n{GOOD}", "slow.py": HANGS, "greeter.py": GOOD}
    folder = deploy(tmp_path, config, files)
    with start(folder, environ={"FC_FUNCTION_NAME": "good"}) as instance:
        client = instance.connect()
        client.request("POST", "/invoke", b"", {"x-fc-function-name": "bad"})
        instance.wait_for(r"WARNING\] still importing 'bad', at .*/slow\.py:2$")
        (folder / "go").touch()
        assert client.getresponse().read() == b"hi"
        client.close()
