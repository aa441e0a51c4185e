"""Another user of this machine: who may read and start less than root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs"


def python_of_nobody(packages: Path) -> str:
    """Return a Python of this version that another user may start, or skip the test."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    on_the_path = [Path(folder) / name for folder in os.environ["PATH"].split(":")]
    base = Path(sys.base_prefix) / "bin" / name
    script = f"import sys, fcplug.instance; assert sys.version_info[:2] == {sys.version_info[:2]}"
    tried = []
    for python in [base, *on_the_path]:
        if python.exists():
            command = [*NOBODY.split(), "sh", "-c", 'exec "$0" -c "$1"', str(python), script]
            done = subprocess.run(
                command, env={"PYTHONPATH": str(packages)}, capture_output=True, text=True,
                cwd="/", check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return str(python)
            tried.append(f"{python}: {done.stderr.strip().splitlines()[-1:]}")
    pytest.skip(f"no {name} that another user may start; tried {tried}")
