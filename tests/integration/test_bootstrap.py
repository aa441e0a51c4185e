"""``bootstrap`` as FC starts it: the file, the interpreter, the paths, the process."""

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import falcon
import pytest

import fcplug
from support.deployed import ROOT, deploy, start
from support.nobody import NOBODY, python_of_nobody

CONFIG = """\
version: 1
functions:
  where: {handler: where.handle}
"""
WHERE = """\
import os, sys

def handle(event, context):
    return {"python": sys.executable, "pid": os.getpid(), "path": sys.path, "cwd": os.getcwd()}
"""
FILES = {"where.py": WHERE}


def old_python(folder: Path) -> Path:
    """Make an interpreter that is too old, like the python3 of FC's debian10 image."""
    folder.mkdir(parents=True)
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; sys.exit(1)"\n')
    python.chmod(0o755)
    return python


def run(code: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(code / "bootstrap"), "--version"],
        cwd=code.parent,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_file_is_what_fc_can_start() -> None:  # item 10
    bootstrap = ROOT / "bootstrap"
    content = bootstrap.read_bytes()
    assert bootstrap.stat().st_mode & stat.S_IXUSR
    assert content.startswith(b"#!/bin/sh\n")
    assert b"\r" not in content


def test_it_becomes_the_python_process(tmp_path: Path) -> None:  # item 12
    with start(deploy(tmp_path, CONFIG, FILES)) as instance:
        assert f'"pid": {instance.process.pid}'.encode() in instance.invoke("where").body


def test_the_runtime_also_starts_by_a_command(tmp_path: Path) -> None:  # item 11
    code = deploy(tmp_path, CONFIG, FILES)
    (code / "bootstrap").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fcplug serve "$@"\n')
    with start(code) as instance:
        assert instance.invoke("where").status == 200


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter, wherever the clone and the tests' folder are."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="fcplug-open-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def copy_packages(to: Path) -> None:
    """Copy fcplug and what it needs, as ``pip install --target`` would lay it out."""
    shutil.copytree(Path(fcplug.__file__).parent, to / "fcplug")
    for requirement in metadata.requires("fcplug") or ():
        if "extra ==" in requirement:
            continue
        [name] = re.findall(r"^[\w.-]+", requirement)
        for file in metadata.files(name) or ():
            if ".." not in file.parts:  # a command in bin/
                (to / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), to / file)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_it_runs_as_a_user_who_can_write_only_to_tmp(open_folder: Path) -> None:  # item 14
    code = deploy(open_folder, CONFIG, FILES)
    copy_packages(code / "python")
    (code / "bootstrap").rename(code / "start")
    (code / "bootstrap").write_text(f'#!/bin/sh\nexec {NOBODY} "${{0%/*}}/start" "$@"\n')
    (code / "bootstrap").chmod(0o755)
    subprocess.run(["chmod", "-R", "a+rX", code], check=True)  # whatever the umask is
    with start(code, environ={"FCPLUG_PYTHON": python_of_nobody(code / "python")}) as instance:
        assert instance.invoke("where").status == 200
        status = Path(f"/proc/{instance.process.pid}/status").read_text()
        assert "Uid:\t65534\t65534" in status


def test_the_python_that_is_named_comes_first(tmp_path: Path) -> None:
    code = deploy(tmp_path, CONFIG, FILES)
    named = tmp_path / "named-python"
    named.write_text(f'#!/bin/sh\nexport NAMED=1\nexec "{sys.executable}" "$@"\n')
    named.chmod(0o755)
    (code / "where.py").write_text("import os\ndef handle(): return os.environ['NAMED']\n")
    with start(code, environ={"FCPLUG_PYTHON": str(named)}) as instance:
        assert instance.invoke("where").body == b"1"


def test_a_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:  # item 15
    code = deploy(tmp_path, CONFIG, FILES)
    venv = code / ".venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").symlink_to(sys.executable)
    site = str(Path(falcon.__file__).parent.parent)
    old = old_python(tmp_path / "old")
    environ = {"FCPLUG_PYTHON": str(old), "PYTHONPATH": f"{site}:{ROOT}"}
    with start(code, environ=environ) as instance:
        assert instance.invoke("where").status == 200


def counting_python(folder: Path, version: str) -> Path:
    """Make an interpreter of that name beside its ``python3``; it notes each of its starts."""
    folder.mkdir(parents=True)
    python = folder / f"python{version}"
    python.write_text(
        f'#!/bin/sh\necho started >>"{folder}/starts"\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    (folder / "python3").symlink_to(python.name)
    return folder / "python3"


def starts(python: Path) -> int:
    notes = python.parent / "starts"
    return len(notes.read_text().splitlines()) if notes.exists() else 0


def test_a_python_with_its_version_in_the_folder_is_started_only_to_serve(tmp_path: Path) -> None:
    code = deploy(tmp_path / "code", CONFIG, FILES)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    named, old = (
        counting_python(tmp_path / "new", version),
        counting_python(tmp_path / "old", "3.7"),
    )
    with start(code, environ={"FCPLUG_PYTHON": str(named)}) as instance:
        assert instance.invoke("where").status == 200
    assert starts(named) == 1
    environ = {"FCPLUG_PYTHON": str(old), "PATH": f"{named.parent}:{os.environ['PATH']}"}
    with start(code, environ=environ) as instance:
        assert instance.invoke("where").status == 200
    assert (starts(old), starts(named)) == (0, 2)


def test_the_names_of_a_virtual_environment_are_not_believed(tmp_path: Path) -> None:
    code = deploy(tmp_path / "code", CONFIG, FILES)
    venv = code / ".venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").symlink_to(old_python(tmp_path / "elsewhere"))
    (venv / "python3.12").symlink_to("python")
    (code / ".venv" / "pyvenv.cfg").write_text(f"home = {tmp_path}/elsewhere\nversion = 3.12.1\n")
    environ = {"FCPLUG_PYTHON": "", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    with start(code, environ=environ) as instance:
        assert instance.invoke("where").status == 200


def test_without_a_python_it_says_what_was_tried(tmp_path: Path) -> None:
    code = deploy(tmp_path / "code", CONFIG)
    old = old_python(tmp_path / "old")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("env", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = run(code, PATH=f"{old.parent}:{tools}", FCPLUG_PYTHON="/no/such/python")
    assert done.returncode == 1
    assert "no Python 3.10 or newer found; tried: /no/such/python" in done.stderr
    assert str(old) in done.stderr
    assert "set FCPLUG_PYTHON" in done.stderr


def test_a_python_without_fcplug_is_an_error_with_the_fix(tmp_path: Path) -> None:
    code = deploy(tmp_path / "code", CONFIG)
    venv.create(tmp_path / "empty")
    python = str(tmp_path / "empty" / "bin" / "python")
    done = run(code, FCPLUG_PYTHON=python)
    assert done.returncode == 1
    assert done.stderr == (
        f"bootstrap: {python} does not find fcplug\n"
        f"  fix: install it into {code}/python, or set FCPLUG_PYTHON to a Python that has it\n"
    )


def test_packaged_dependencies_and_code_come_before_the_rest(tmp_path: Path) -> None:  # item 80
    code = deploy(tmp_path, CONFIG, FILES)
    (code / "python").mkdir()
    (code / "python" / "vendored.py").write_text("def handle(event, context): return 'vendored'\n")
    config = (code / "config" / "functions.yaml").read_text()
    (code / "config" / "functions.yaml").write_text(config + "  v: {handler: vendored.handle}\n")
    with start(code) as instance:
        assert instance.invoke("v").body == b"vendored"
        import json  # noqa: PLC0415

        facts = json.loads(instance.invoke("where").body)
    assert facts["path"][0] == str(code)
    assert facts["cwd"] == str(code)


@pytest.mark.parametrize("command", ["./bootstrap", "sh bootstrap", "code/../bootstrap"])
def test_it_finds_its_own_folder_however_it_is_called(tmp_path: Path, command: str) -> None:
    code = deploy(tmp_path / "a folder", CONFIG, FILES)
    (code / "code").mkdir()
    caller = code / "call"
    caller.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    caller.chmod(0o755)
    done = subprocess.run(
        ["./call", "--port", "nowhere"],
        cwd=code,
        env={"PATH": os.environ["PATH"], "FCPLUG_PYTHON": "/bin/echo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("-c \nimport sys\n")
    folder = done.stdout.partition("\nmain()\n ")[2].removesuffix(" serve --port nowhere\n")
    assert Path(folder).resolve() == code


def test_it_works_from_any_folder(tmp_path: Path) -> None:
    code = deploy(tmp_path / "a folder", CONFIG, FILES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "bootstrap").write_text(f'#!/bin/sh\ncd /\nexec "{code}/bootstrap" "$@"\n')
    (elsewhere / "bootstrap").chmod(0o755)
    with start(elsewhere, environ={"FC_FUNC_CODE_PATH": str(code)}) as instance:
        assert instance.invoke("where").status == 200


def test_a_stop_that_comes_while_it_starts_answers_what_has_come(tmp_path: Path) -> None:
    folder = deploy(tmp_path, CONFIG, FILES)
    with start(folder, loaded=False) as instance, contextlib.closing(instance.connect()) as client:
        client.request("POST", "/invoke", b"", {"x-fc-function-name": "where"})
        instance.process.terminate()
        assert client.getresponse().status == 200
        assert instance.process.wait(60) == 0
