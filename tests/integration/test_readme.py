"""The README's commands, run as written on a fresh checkout."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from email import message_from_string
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest

from support.deployed import ROOT, free_port
from support.packages import PYTHON, target_options, unpack
from support.photos import photo

README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Return every command of the README's console blocks."""
    consoles = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    return re.findall(r"^\$ (.*)$", "".join(consoles), re.MULTILINE)


def checkout(folder: Path) -> Path:
    """Copy what git would check out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (source := ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    return folder


def clean_environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return {**kept, **extra}


def shell(command: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True, timeout=600
    )
    return done.stdout


@pytest.mark.slow
def test_make_run_serves_and_prints_what_the_readme_shows(tmp_path: Path) -> None:
    folder, port = checkout(tmp_path / "fcplug"), free_port()
    (folder / "photo.jpg").write_bytes(photo())
    said = folder / "said.txt"
    with said.open("wb") as out:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=folder, env=clean_environment(FC_SERVER_PORT=str(port)), stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 600
        while "\ntry: " not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        shown = said.read_text().replace(str(folder), "/home/ada/fcplug").replace(str(port), "9000")
        (documented,) = re.findall(r"```text\n(FunctionCompute.*?)```", README, re.DOTALL)
        assert documented in shown

        curl, thumbnail = (line for line in commands() if line.startswith("curl"))
        greeting = shell(curl.replace("9000", str(port)), folder)
        assert f"$ {curl}\n{greeting}\n" in README
        shell(thumbnail.replace("9000", str(port)), folder)
        assert 100 < (folder / "small.jpg").stat().st_size < (folder / "photo.jpg").stat().st_size

        config = folder / "config" / "functions.yaml"
        assert "greeting: Hello" in config.read_text()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) is not None


@pytest.mark.slow
def test_the_code_package_that_the_pages_build_serves_the_shipped_configuration(
    tmp_path: Path,
) -> None:
    folder = checkout(tmp_path / "fcplug")
    page = (ROOT / "docs" / "how-to" / "deploying.md").read_text()
    (shown,) = re.findall(r"```console\n\$ (fcplug build\n.*?)```", page, re.DOTALL)
    (command,) = (line for line in commands() if line.startswith("fcplug"))
    assert command == shown.splitlines()[0]
    fcplug = shlex.join([sys.executable, "-m", *command.split(), *target_options()])
    printed = shell(fcplug, folder).splitlines()
    heading, *_, built, beside = shown.splitlines()[1:]
    assert printed[0].split() == heading.split()
    assert printed[-1] == beside
    assert built.partition(", for ")[0] == printed[-2].partition(", for ")[0]
    serves(unpack(folder / "code.zip", tmp_path / "code"), tmp_path / "said.txt")


def serves(code: Path, log: Path, function: str = "hello") -> None:
    """Start a code package, and see that it loads all of its functions and that one answers."""
    port = free_port()
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["./bootstrap"], cwd=code,
            env=clean_environment(FC_SERVER_PORT=str(port), FCPLUG_PYTHON=PYTHON), stdout=out,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        until = time.monotonic() + 600
        while "\ntry: " not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        assert "NOT LOADED" not in log.read_text()
        header = f"-H 'x-fc-function-name: {function}'"
        answer = shell(f"curl -s {header} -d Ada 127.0.0.1:{port}/invoke", code)
        assert "Hello, Ada!" in answer
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.slow
def test_the_deploying_page_makes_a_wheel_that_has_what_projects_copy(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "deploying.md").read_text()
    (line,) = re.findall(r"^\$ (.* pip wheel .*)$", page, re.MULTILINE)
    repository = checkout(tmp_path / "fcplug")
    command = line.replace("/path/to/fcplug", str(repository)).replace("pip", "pip --quiet", 1)
    shell(command, tmp_path)
    (wheel,) = (tmp_path / "dist").iterdir()
    assert "fcplug/assets/bootstrap" in ZipFile(wheel).namelist()


def test_the_links_of_an_index_page_lead_to_files_of_the_repository() -> None:
    described = message_from_string(metadata.distribution("fcplug").read_text("METADATA") or "")
    urls = dict(line.split(", ", 1) for line in described.get_all("Project-URL") or ())
    assert {"Repository", "Documentation", "Changelog", "Issues"} <= urls.keys()
    body = str(described.get_payload())
    links = re.findall(r"\]\(([^)]+)\)", body)
    assert len(links) == len(re.findall(r"\]\(([^)]+)\)", README)) > 20
    for link in links:
        page = re.fullmatch(
            rf"{re.escape(urls['Repository'])}/(?:blob|raw)/main/([^#]+)(#.*)?", link
        )
        assert page, link
        assert (ROOT / page[1]).exists(), link


def test_the_readme_can_be_read_at_once() -> None:
    assert len(README.splitlines()) <= 120


def test_every_command_of_the_readme_is_known_to_these_tests() -> None:
    known = {"make run", "make test"}  # CI runs `make test` itself
    rest = [command for command in commands() if command not in known]
    assert [command.split()[0] for command in rest] == ["curl", "curl", "fcplug"]
