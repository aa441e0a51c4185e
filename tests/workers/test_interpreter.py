"""A function with its own Python: its packages, and errors for what is missing."""

import os
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from fcplug.errors import PluginError, WorkerUnavailable
from support.isolated import CODE, act, call, isolated

ROOT = Path(__file__).resolve().parents[2]
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
HANDLER = "import sys, pinned\ndef handle(event, context):\n    return pinned.VERSION, sys.prefix\n"
OTHER_VERSION = """\
import struct, time
def serve(sock):
    header = b'{"version": "0.0.7"}'
    sock.sendall(struct.pack("!BIIQ", 1, 0, len(header), 0) + header)
    time.sleep(60)
"""


def environment(folder: Path, *, fcplug_too: bool) -> Path:
    """Make a virtual environment, with this fcplug if asked for; return its site-packages."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = folder / "lib" / VERSION / "site-packages"
    if fcplug_too:
        paths = (str(ROOT), sysconfig.get_path("purelib"))
        (packages / "fcplug.pth").write_text("\n".join(paths))
    return packages


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the function's code; the runtime's own packages lie elsewhere."""
    code, packages = tmp_path / "code", tmp_path / "runtime's packages"
    code.mkdir()
    packages.mkdir()
    (code / "pinning.py").write_text(HANDLER)
    (packages / "pinned.py").write_text("VERSION = 1\n")
    monkeypatch.syspath_prepend(packages)
    monkeypatch.syspath_prepend(code)
    monkeypatch.setenv("PYTHONPATH", str(packages), prepend=os.pathsep)
    monkeypatch.setenv("FC_FUNC_CODE_PATH", str(code))
    return code


@pytest.mark.parametrize("named", ["folder", "interpreter"])
def test_a_function_has_the_packages_of_its_own_python(
    code: Path, tmp_path: Path, named: str
) -> None:
    own = tmp_path / "own"
    packages = environment(own, fcplug_too=True)
    (packages / "pinned.py").write_text("VERSION = 2\n")
    python = str(own if named == "folder" else own / "bin" / "python")
    with isolated("pinning.handle", python=python) as workers:
        assert eval(act(workers, b"")) == [2, str(own)]
    with isolated("pinning.handle") as workers:
        assert eval(act(workers, b"")) == [1, sys.prefix]


def test_the_error_for_a_python_without_fcplug_has_the_install_command(tmp_path: Path) -> None:
    environment(tmp_path / "its own", fcplug_too=False)
    with isolated(python=str(tmp_path / "its own")) as workers:
        with pytest.raises(WorkerUnavailable) as caught:
            workers.load()
        with pytest.raises(WorkerUnavailable):
            workers.invoke(b"", call())
    python = tmp_path / "its own" / "bin" / "python"
    command = f"{shlex.quote(str(python))} -m pip install {shlex.quote(str(ROOT))}"
    assert str(caught.value) == (
        f"function 'isolated' has no worker: {python} cannot run a worker: "
        f"ModuleNotFoundError: No module named 'fcplug'\n  fix: {command}"
    )


def test_the_error_for_a_python_with_another_fcplug_has_the_install_command(
    tmp_path: Path,
) -> None:
    packages = environment(tmp_path / "own", fcplug_too=False)
    (packages / "fcplug" / "workers").mkdir(parents=True)
    (packages / "fcplug" / "workers" / "main.py").write_text(OTHER_VERSION)
    own = str(tmp_path / "own")
    with isolated(python=own) as workers, pytest.raises(WorkerUnavailable) as caught:
        workers.load()
    assert "has fcplug 0.0.7, this is" in str(caught.value)
    assert f"pip install {shlex.quote(str(ROOT))}" in str(caught.value)


def test_the_error_for_a_plugin_that_the_python_lacks_names_its_own_pip(tmp_path: Path) -> None:
    environment(tmp_path / "own", fcplug_too=True)
    own = str(tmp_path / "own")
    with isolated("no-such", python=own) as workers, pytest.raises(PluginError) as caught:
        workers.load()
    assert caught.value.kind == "PluginNotFound"
    assert str(tmp_path / "own" / "bin" / "python") in caught.value.fix


@pytest.mark.parametrize("python", ["/no/such/python", str(CODE / "worker_functions.py")])
def test_a_program_that_is_not_python_is_reported(python: str) -> None:
    message = r"cannot be run: .*\n  fix: correct its 'python' in functions.yaml"
    with isolated(python=python) as workers, pytest.raises(WorkerUnavailable, match=message):
        workers.load()


@pytest.mark.slow
def test_a_plugin_may_need_what_the_runtime_cannot_have(code: Path, tmp_path: Path) -> None:
    own, plugin = tmp_path / "own", tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "conflicting.py").write_text(
        "from importlib.metadata import version\n"
        "def handle(event, context):\n    return version('pluggy')\n"
    )
    (plugin / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "conflicting"\nversion = "1"\ndependencies = ["pluggy==1.6.0"]\n'
        '[project.entry-points."fcplug.handlers"]\nconflicting = "conflicting:handle"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["conflicting.py"]\n'
    )
    subprocess.run([sys.executable, "-m", "venv", own], check=True)
    pip = [str(own / "bin" / "python"), "-m", "pip", "install", "--quiet", str(ROOT), str(plugin)]
    subprocess.run(pip, check=True)
    with isolated("conflicting", python=str(own)) as workers:
        assert workers.load() == "conflicting 1"
        assert act(workers, b"") == b"1.6.0"
