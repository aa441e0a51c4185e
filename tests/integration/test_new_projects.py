"""What ``fcplug new`` makes, where only the wheel of fcplug, its tools and pytest are installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.deployed import ROOT, Answer, start
from support.packages import PYTHON, target_options, unpack

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment, and commands that run as if it was active."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "venv" / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.run(f"pip wheel --no-deps --wheel-dir dist '{ROOT}'", folder)
        (self.wheel,) = (folder / "dist").glob("fcplug-*.whl")
        # hatchling builds the plugins: in this environment, as that takes less time
        self.run(f"pip install '{self.wheel}[tools]' pytest hatchling", folder)

    def run(self, command: str, folder: Path) -> str:
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        settings = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
        path = {"PATH": f"{self._bin}:{os.environ['PATH']}", "PIP_QUIET": "1"}
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env={**kept, **settings, **path},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.mark.parametrize("kind", ["", "--middleware", "--wsgi", "--asgi"])
def test_the_tests_of_a_new_plugin_pass_once_it_is_installed(
    environment: Environment, tmp_path: Path, kind: str
) -> None:
    name = f"my-{kind.strip('-') or 'handler'}"
    environment.run(f"fcplug new plugin {name} {kind}", tmp_path)
    folder = tmp_path / f"fcplug-{name}"
    environment.run("pip install --no-build-isolation --no-deps .", folder)
    assert " passed" in environment.run("pytest", folder)


def test_a_new_project_is_tested_checked_called_and_deployed(
    environment: Environment, tmp_path: Path
) -> None:
    environment.run("fcplug new project shop", tmp_path)
    folder = tmp_path / "shop"
    assert " passed" in environment.run("make test", folder)
    environment.run("make schema && make check && fcplug check --strict", folder)
    greeting = '{\n    "message": "Hello, Ada!"\n}'
    assert environment.run("fcplug invoke hello --event Ada 2>invoke.log", folder) == greeting

    requirements = (folder / "requirements.txt").read_text()
    assert requirements.endswith("\nfcplug\n")
    (folder / "requirements.txt").write_text(f"fcplug @ file://{environment.wheel}\n")
    environment.run(f"make package BUILD='{' '.join(target_options())}'", folder)
    assert "# local: fcplug==" in (folder / "code.lock.txt").read_text()
    assert _served_from(folder / "code.zip", tmp_path / "code").body.decode() == greeting


def _served_from(package: Path, code: Path) -> Answer:
    """Unpack a code package as Function Compute does, and call its function."""
    with start(unpack(package, code), environ={"FCPLUG_PYTHON": PYTHON}) as instance:
        return instance.invoke("hello", b"Ada")
