"""The command line around the commands: help, wrong names, missing packages, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fcplug.tools import COMMANDS
from support.lean import lean_python

OWN = ("serve", "bootstrap", "schema")


def fcplug_command(
    *arguments: str, python: Path | str = sys.executable, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", "fcplug", *arguments],
        env={"PATH": os.environ["PATH"], **environ},
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
    needed = f"fcplug {command} needs click, jinja2, packaging and rich"
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
