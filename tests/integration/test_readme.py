"""The README's commands, run as written on a fresh checkout."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.deployed import ROOT, free_port
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
def test_make_run_serves_and_the_readme_tells_what_it_says(tmp_path: Path) -> None:
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
def test_the_code_package_of_the_readme_serves(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "fcplug")
    install, archive = (line for line in commands() if line.startswith(("pip", "zip")))
    shell(f"python3 -m {install} --quiet", folder)
    code = tmp_path / "code"
    code.mkdir()
    for name in archive.split()[3:]:
        shell(f"cp -r '{folder / name}' '{code}'", tmp_path)
    (code / "config" / "functions.yaml").write_text(
        "version: 1\nfunctions:\n  hello: {handler: hello}\n"
    )
    port = free_port()
    process = subprocess.Popen(
        ["./bootstrap"], cwd=code,
        env=clean_environment(FC_SERVER_PORT=str(port), FC_FUNCTION_NAME="hello"),
    )  # fmt: skip
    try:
        retry = "--retry 60 --retry-connrefused --retry-delay 1"
        answer = shell(f"curl -s {retry} -d Ada 127.0.0.1:{port}/invoke", code)
        assert '"message": "Hello, Ada!"' in answer
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_every_command_of_the_readme_is_known_to_these_tests() -> None:
    known = {"make run", "make test"}  # CI runs `make test` itself
    rest = [command for command in commands() if command not in known]
    assert [command.split()[0] for command in rest] == ["curl", "curl", "pip", "zip"]
