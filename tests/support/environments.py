"""A virtual environment as a user has it: the wheel of fcplug, its tools and pytest."""

import os
import subprocess
import sys
from pathlib import Path

from support.deployed import ROOT


class Environment:
    """A virtual environment, and commands that run as if it was active."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "venv" / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.run(f"pip wheel --no-deps --wheel-dir dist '{ROOT}'", folder)
        (self.wheel,) = (folder / "dist").glob("fcplug-*.whl")
        # hatchling builds the plugins: in this environment, as that takes less time
        self.run(f"pip install '{self.wheel}[tools]' pytest hatchling", folder)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of its commands."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        settings = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
        path = {"PATH": f"{self._bin}:{os.environ['PATH']}", "PIP_QUIET": "1"}
        return {**kept, **settings, **path}

    def run(self, command: str, folder: Path) -> str:
        """Run a command of bash, which must succeed, and return its standard output."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=self.variables,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout
