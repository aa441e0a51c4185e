import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, run

import pluggy
import pytest

import fcplug
from fcplug import hookspecs
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime

EVERY_HOOK = """
from fcplug import hookimpl

@hookimpl
def initialize(context):
    print("initialize", type(context).__name__)

@hookimpl
def invoke(event, context):
    print("invoke", event, type(context).__name__)

@hookimpl
def pre_freeze(context):
    print("pre_freeze", type(context).__name__)

@hookimpl
def pre_stop(context):
    print("pre_stop", type(context).__name__)
"""


def test_the_hooks_are_the_four_phases_of_fc_in_their_order() -> None:
    assert hookspecs.NAMES == ("initialize", "invoke", "pre_freeze", "pre_stop")


@pytest.mark.parametrize("name", hookspecs.NAMES)
def test_every_hook_says_what_it_is_for_and_what_raising_does(name: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    assert text.partition("\n")[0].endswith(".")
    assert "Called" in text
    assert "raises" in text


@pytest.mark.parametrize("name", hookspecs.NAMES)
def test_every_hook_is_annotated(name: str) -> None:
    signature = inspect.signature(getattr(hookspecs, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation in (bytes, Context) for p in signature.parameters.values())


def test_plugin_authors_import_the_marker_from_the_package() -> None:
    assert fcplug.hookimpl is hookspecs.hookimpl


def test_pluggy_knows_every_hook_and_lets_only_invoke_answer_first() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    first = {}
    for name in hookspecs.NAMES:
        caller: pluggy.HookCaller = getattr(manager.hook, name)
        assert caller.spec is not None
        first[name] = bool(caller.spec.opts["firstresult"])
    assert [name for name in first if first[name]] == ["invoke"]


def test_every_hook_is_called_with_what_its_specification_says(
    install: Callable[..., Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # 48, 55, 56
    install("every-dist", {"every": EVERY_HOOK}, handlers={"every": "every"})
    runtime = serve(f="every")
    context = called("f", request_id="1-2")
    answers = [
        runtime.initialize(context),
        runtime.invoke(b"event", context),
        runtime.pre_freeze(context),
        runtime.pre_stop(context),
    ]
    assert [answer.body for answer in answers] == [b"", b"null", b"", b""]
    assert capsys.readouterr().out.splitlines() == [
        "FC Initialize Start RequestId: 1-2",
        "initialize Context",
        "FC Initialize End RequestId: 1-2",
        "FC Invoke Start RequestId: 1-2",
        "invoke b'event' Context",
        "FC Invoke End RequestId: 1-2",
        "FC PreFreeze Start RequestId: 1-2",
        "pre_freeze Context",
        "FC PreFreeze End RequestId: 1-2",
        "FC PreStop Start RequestId: 1-2",
        "pre_stop Context",
        "FC PreStop End RequestId: 1-2",
    ]


def test_a_function_without_other_hooks_passes_every_phase(
    code: Callable[[str, str], Path],
    serve: Callable[..., Runtime],
    called: Callable[..., Context],
) -> None:
    # 48
    code("index", "def handle(event): return event")
    runtime = serve(f="index:handle")
    context = called("f")
    for phase in (runtime.initialize, runtime.pre_freeze, runtime.pre_stop):
        assert (phase(context).body, phase(context).error) == (b"", None)


BACKEND = """
import zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = "really_installed-3.4.dist-info"
    files = {
        "really_installed.py": open("really_installed.py").read(),
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: really-installed\\nVersion: 3.4\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[fcplug.handlers]\\nreal = really_installed\\n",
        f"{info}/RECORD": "",
    }
    name = "really_installed-3.4-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
ASK = """
import sys
from fcplug.config import loader
from fcplug.context import Context
from fcplug.runtime.runtime import Runtime
text = "version: 1\\nfunctions: {f: {handler: '%s'}}" % sys.argv[1]
runtime = Runtime(loader.parse(text, "functions.yaml", {}), {})
print(runtime.invoke(b"ab", Context.from_headers({"x-fc-function-name": "f"}, {})).body)
"""


@pytest.mark.slow
def test_a_package_that_pip_built_and_installed_serves(tmp_path: Path) -> None:
    root, target = tmp_path / "source", tmp_path / "python"
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "really_installed.py").write_text(
        "from fcplug import hookimpl\n@hookimpl\ndef invoke(event): return event * 2\n"
    )

    def python(*command: str) -> str:
        paths = os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")])
        environ = {**os.environ, "PYTHONPATH": paths}
        return run(
            [sys.executable, *command],
            env=environ,
            stdout=PIPE,
            text=True,
            check=True,
            cwd=tmp_path,
        ).stdout

    assert "PluginNotFound" in python("-c", ASK, "real")
    python(
        "-m", "pip", "--disable-pip-version-check", "install", "--target", str(target), str(root)
    )
    assert "b'abab'" in python("-c", ASK, "real")
    assert "b'abab'" in python("-c", ASK, "really-installed:real")
