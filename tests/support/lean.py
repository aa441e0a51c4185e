"""A Python that has fcplug as ``pip install fcplug`` brings it, without any extra."""

import importlib.util
import subprocess
import venv
from pathlib import Path

import fcplug
from fcplug.tools import PACKAGES

_REQUIRED = ("falcon", "waitress", "pluggy", "msgspec", "yaml", "httptools", "_yaml")
TOOLS = (*PACKAGES, "markupsafe", "pygments")  # what fcplug[tools] brings


def lean_python(folder: Path, *further: str) -> Path:
    """Make a virtual environment with what fcplug requires, and return its interpreter.

    Further packages that are installed here are there, too.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    library = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    for name in (*_REQUIRED, *further):
        if package := importlib.util.find_spec(name):
            (library / name).symlink_to(Path(str(package.origin)).parent)
    (library / "fcplug").symlink_to(Path(fcplug.__file__).parent)
    return python
