"""The contestants' environments in ``bench/.envs``: created again only when their pins change."""

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
    """An environment cannot be created."""


def pinned(packages: Sequence[str]) -> list[str]:
    """Return packages as requirements of pip: each with its version."""
    pins = dict(line.split("==") for line in _PINS.read_text().splitlines() if "==" in line)
    return [f"{package}=={pins[package]}" for package in packages]


def environment(contestant: Contestant) -> Path:
    """Return the folder of a contestant's environment; create it if necessary."""
    return prepare(contestant.environment, pinned(contestant.packages))


def prepare(name: str, requirements: Sequence[str]) -> Path:
    """Return the folder of an environment with these packages; create it if necessary.

    Raises:
        SetupError: pip cannot install them.
    """
    folder = ENVIRONMENTS / name
    wanted = json.dumps([sys.version, *requirements])
    mark = folder / "requirements.json"
    if mark.exists() and mark.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    if requirements:
        _run(*pip(folder), "install", *requirements)
    mark.write_text(wanted)
    return folder


def pip(folder: Path) -> list[str]:
    """Return the command of a shared pip that installs into the environment."""
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
    """Return the packages of an environment, or of a folder, with their versions."""
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
        reason = done.stderr.rstrip().rpartition("\n")[2]
        raise SetupError(f"{reason or done.returncode} (of {' '.join(command)})")


def install(folder: Path, target: Path, *requirements: str) -> None:
    """Install packages into a folder, as in a code package."""
    constraint = ["--constraint", str(_constraints())]
    _run(*pip(folder), "install", "--upgrade", "--target", str(target), *constraint, *requirements)


def _constraints() -> Path:
    """Return the pins as a constraints file of pip, which allows no extras."""
    file = ENVIRONMENTS / "constraints.txt"
    lines = (line.replace("[standard]", "") for line in _PINS.read_text().splitlines())
    file.write_text("\n".join(line for line in lines if "==" in line) + "\n")
    return file
