"""The code folder on ``sys.path``: its files never replace the runtime's modules."""

import ast
import sys
from pathlib import Path

import pytest

import fcplug
from fcplug.plugins import code_path
from support.deployed import deploy, start

CONFIG = """\
version: 1
functions:
  plain: {handler: greeter.handle}
  isolated: {handler: greeter.handle, isolation: process}
"""
GOOD = "def handle(event, context):\n    return 'hi'\n"
BY_COMMAND = f'#!/bin/sh\nexec "{sys.executable}" -m fcplug serve "$@"\n'


def test_the_code_is_where_the_configuration_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, fc, named = (deploy(tmp_path / name, CONFIG) for name in ("here", "fc", "named"))
    monkeypatch.chdir(here)
    assert code_path.folder({"FC_FUNC_CODE_PATH": str(named)}, str(fc)) == str(named)
    assert code_path.folder({}, str(fc)) == str(here)
    (here / "config" / "functions.yaml").unlink()
    assert code_path.folder({}, str(fc)) == str(fc)
    assert code_path.folder({"FCPLUG_CONFIG": str(named)}, str(fc)) == str(here)
    assert code_path.folder({}, str(tmp_path / "nowhere")) == str(here)


@pytest.mark.parametrize(
    "name",
    ["queue", "types", "token", "http", "json", "signal", "logging", "select", "argparse",
     "termios", "falcon", "yaml", "time"],
)  # fmt: skip
def test_a_file_named_like_a_module_of_the_runtime_is_named_and_harmless(
    tmp_path: Path, name: str
) -> None:
    folder = deploy(tmp_path, CONFIG, {"greeter.py": GOOD, f"{name}.py": "raise SystemExit(9)\n"})
    with start(folder) as instance:
        for function in ("plain", "isolated"):
            assert instance.invoke(function).body == b"hi"
        log = instance.log
    said = (
        f"{folder / name}.py is never imported: the runtime already uses the module '{name}' from "
    )
    assert log.count(said) == 1
    assert "rename the file" in log


@pytest.mark.parametrize("name", ["queue", "re", "enum", "typing", "falcon"])
def test_it_is_harmless_under_the_start_command_too(tmp_path: Path, name: str) -> None:
    folder = deploy(tmp_path, CONFIG, {"greeter.py": GOOD, f"{name}.py": "raise SystemExit(9)\n"})
    (folder / "bootstrap").write_text(BY_COMMAND)
    with start(folder, environ={"PYTHONPATH": str(folder)}) as instance:
        for function in ("plain", "isolated"):
            assert instance.invoke(function).body == b"hi"


def test_a_module_that_the_runtime_does_not_need_may_be_replaced_as_on_fc(tmp_path: Path) -> None:
    files = {
        "greeter.py": "import secrets\ndef handle(event, context): return secrets.WORD\n",
        "secrets.py": "WORD = 'mine'\n",
        "test/__init__.py": "",
    }
    folder = deploy(tmp_path, CONFIG, files)
    with start(folder) as instance:
        assert instance.invoke("plain").body == b"mine"
        assert instance.invoke("isolated").body == b"mine"
        assert f"{folder}/secrets.py replaces Python's module 'secrets'" in instance.log
        assert f"{folder}/test" not in instance.log


def test_a_runtime_package_installed_in_the_code_folder_is_not_a_clash(
    tmp_path: Path,
) -> None:
    import falcon  # noqa: PLC0415

    folder = deploy(tmp_path, CONFIG, {"greeter.py": GOOD})
    installed = Path(falcon.__file__).parent
    (folder / "falcon").symlink_to(installed)
    environ = {"PYTHONPATH": str(folder)}
    with start(folder, environ=environ) as instance:
        assert instance.invoke("plain").body == b"hi"


def test_all_late_imports_of_the_runtime_are_listed() -> None:
    late = set()
    for file in Path(fcplug.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text())
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if id(node) in top:
                continue
            if isinstance(node, ast.Import):
                late |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                late |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    standard = {name for name in late if name.partition(".")[0] in sys.stdlib_module_names}
    listed = {name.partition(".")[0] for name in code_path.LATE_IMPORTS}
    always = {
        "collections",
        "datetime",
        "functools",
        "importlib",
        "json",
        "logging",
        "socket",
        "struct",
        "sys",
        "typing",
        "wsgiref",
    }
    missing = {name.partition(".")[0] for name in standard} - always - listed
    assert not missing, "add these to LATE_IMPORTS in fcplug/plugins/code_path.py"
