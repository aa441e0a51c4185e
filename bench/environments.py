"""The contestants' environments under ``bench/.envs``: made once, again when their pins change."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from contestants import PEERS, Contestant

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "bench" / ".envs"
_PINS = PEERS / "requirements.txt"
_LIST = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


class SetupError(Exception):
    """An environment that cannot be made."""


def pinned(packages: Sequence[str]) -> list[str]:
    """Return packages as pip wants them: each with its version."""
    pins = dict(line.split("==") for line in _PINS.read_text().splitlines() if "==" in line)
    return [f"{package}=={pins[package]}" for package in packages]


def environment(contestant: Contestant) -> Path:
    """Return the folder of a contestant's environment, made if it is not there."""
    return made(contestant.environment, pinned(contestant.packages))


def made(name: str, requirements: Sequence[str]) -> Path:
    """Return the folder of an environment that holds these, made if it is not there.

    Raises:
        SetupError: pip does not install them.
    """
    folder = ENVIRONMENTS / name
    wanted = json.dumps([sys.version, *requirements])
    mark = folder / "made.json"
    if mark.exists() and mark.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    if requirements:
        _run(*pip(folder), "install", *requirements)
    mark.write_text(wanted)
    return folder


def pip(folder: Path) -> list[str]:
    """Return the command of a pip, of which the environment needs no copy of its own."""
    shared = ENVIRONMENTS / "pip"
    if not (shared / "bin" / "pip").exists():
        shutil.rmtree(shared, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(shared))
        _run(str(shared / "bin" / "pip"), "install", "--quiet", "--upgrade", "pip")
    return [
        *(str(shared / "bin" / "pip"), "--quiet", "--disable-pip-version-check"),
        *("--python", str(folder / "bin" / "python")),
    ]


def versions(folder: Path, path: Path | None = None) -> dict[str, str]:
    """Return what an environment, or a folder of packages, holds."""
    command = [str(folder / "bin" / "python"), "-c", _LIST]
    environ = {"PYTHONPATH": str(path)} if path else {}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    listed: dict[str, str] = json.loads(done.stdout)
    return dict(sorted(listed.items()))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except subprocess.TimeoutExpired:
        raise SetupError(f"took over 10 minutes: {' '.join(command)}") from None
    if done.returncode:
        told = done.stderr.rstrip().rpartition("\n")[2]
        raise SetupError(f"{told or done.returncode} (of {' '.join(command)})")


def install(folder: Path, target: Path, *requirements: str) -> None:
    """Install packages into a folder of their own, as a code package holds them."""
    constraint = ["--constraint", str(_constraints())]
    _run(*pip(folder), "install", "--upgrade", "--target", str(target), *constraint, *requirements)


def _constraints() -> Path:
    """Return the pins in the form that constraints take: without extras."""
    file = ENVIRONMENTS / "constraints.txt"
    lines = (line.replace("[standard]", "") for line in _PINS.read_text().splitlines())
    file.write_text("\n".join(line for line in lines if "==" in line) + "\n")
    return file
