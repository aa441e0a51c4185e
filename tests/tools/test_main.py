"""The command line around the commands: help, wrong names, missing packages, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fcplug.tools import COMMANDS
from support.commands import environment, unmeasured
from support.deployed import deploy
from support.lean import lean_python
from support.waiting import wait_until

OWN = ("serve", "bootstrap", "schema")


def fcplug_command(
    *arguments: str, python: Path | str = sys.executable, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", "fcplug", *arguments],
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lean_python(tmp_path_factory.mktemp("lean") / "venv")


def test_help_lists_every_command_with_and_without_the_tools(lean: Path) -> None:
    with_tools, without = fcplug_command("--help"), fcplug_command("--help", python=lean)
    assert with_tools.returncode == without.returncode == 0
    assert with_tools.stdout == without.stdout
    listed = {line.split()[0] for line in with_tools.stdout.splitlines() if line.startswith("    ")}
    assert {*OWN, *COMMANDS} <= listed


def test_no_command_shows_the_help_and_is_wrong_usage() -> None:
    done = fcplug_command()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == fcplug_command("--help").stdout


def test_a_misspelled_command_is_wrong_usage_and_the_right_one_is_suggested() -> None:
    done = fcplug_command("bootstrep")
    assert done.returncode == 2
    assert "there is no command 'bootstrep' (did you mean 'bootstrap'?)" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_tools_each_command_names_the_pip_command(lean: Path, command: str) -> None:
    done = fcplug_command(command, "--help", python=lean)
    assert (done.returncode, done.stdout) == (2, "")
    needed = f"fcplug {command} needs click, cronsim, jinja2, packaging and rich"
    assert done.stderr == f"{needed}: {lean} -m pip install 'fcplug[tools]'\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example_and_fits_40_columns(command: str) -> None:
    done = fcplug_command(command, "--help", COLUMNS="40")
    assert done.returncode == 0
    text, _, examples = done.stdout.rpartition("\nExamples:\n")
    assert f"fcplug {command}" in examples
    assert max(map(len, text.splitlines())) <= 40


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_option_is_wrong_usage(command: str) -> None:
    done = fcplug_command(command, "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-option" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shell_completes_the_names_of_commands() -> None:
    done = fcplug_command(_FCPLUG_COMPLETE="bash_complete", COMP_WORDS="fcplug ", COMP_CWORD="1")
    assert {f"plain,{name}" for name in (*OWN, *COMMANDS)} == set(done.stdout.splitlines())
    script = fcplug_command(_FCPLUG_COMPLETE="bash_source").stdout
    assert "_FCPLUG_COMPLETE=bash_complete" in script


FOLDER = ("check", "plugins", "route", "doctor", "schema")


@pytest.mark.parametrize("command", FOLDER)
def test_in_a_deleted_folder_each_command_says_so(tmp_path: Path, command: str) -> None:
    script = f"mkdir gone; cd gone; rmdir ../gone; exec '{sys.executable}' -m fcplug {command}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the working directory was deleted: cd to another folder\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["check", "plugins", "doctor", "schema"])
def test_a_full_disk_is_one_line(tmp_path: Path, command: str, unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fcplug", command],
            env=unmeasured(PYTHONUNBUFFERED=unbuffered),
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "standard output: No space left on device\n"


@pytest.mark.parametrize("command", ["check", "plugins", "doctor", "schema"])
def test_a_closed_output_is_no_crash(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec '{sys.executable}' -m fcplug {command} >&-"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", [("check",), ("plugins",), ("plugins", "--cost"), ("schema",)])
def test_a_signal_ends_a_command_and_all_that_it_started(
    tmp_path: Path, command: tuple[str, ...], signal_number: signal.Signals
) -> None:
    """The module says which process imports it; for ``--cost``, only the one that measures."""
    measured = "if 'fcplug.inspection.measuring' in sys.modules:\n" if "--cost" in command else ""
    code = f"import os, sys, time\n{measured or 'if True:'}\n"
    code += "    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(600)\ndef f(event): ...\n"
    text = "version: 1\nfunctions:\n  a: {handler: hangs}\n"
    folder = deploy(tmp_path, text, {"hangs.py": code})
    info = folder / "hangs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hangs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fcplug.handlers]\nhangs = hangs:f\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", *command],
        cwd=folder, env=unmeasured(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pid = folder / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=60)
    interrupted = signal_number == signal.SIGINT
    assert (process.returncode, out) == (128 + signal_number, "")
    assert err.strip() == ("interrupted" if interrupted else "")
    wait_until(lambda: not is_alive(int(pid.read_text())))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
