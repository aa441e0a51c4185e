"""Messages about user files that another module of the same name hides."""

import json
from pathlib import Path

import pytest

from support.deployed import deploy, start

GOOD = "def handle(event, context): return 'good'\n"
TWO_FOLDERS = """\
version: 1
functions:
  sa: {handler: sa/index.handle}
  sb: {handler: sb/index.handle}
"""
BESIDE = (
    "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\nimport utils\n"
    "def handle(event, context): return utils.NAME\n"
)


@pytest.mark.parametrize(
    ("file", "handler"),
    [
        ("json.py", "json.handle"),
        ("json.py", "json:loads"),
        ("calendar.py", "calendar.handle"),
        ("types.py", "types.handle"),
        ("falcon.py", "falcon.handle"),
        ("time.py", "time.handle"),
        ("logging/mine.py", "logging/mine.handle"),
    ],
)
def test_the_error_for_a_handler_named_like_a_loaded_module_names_that_module(
    tmp_path: Path, file: str, handler: str
) -> None:
    config = f"version: 1\nfunctions:\n  f: {{handler: '{handler}'}}\n"
    top = Path(file).parts[0]
    source = tmp_path / (file if "/" not in file else f"{top}/__init__.py")
    files = {file: GOOD, str(source.relative_to(tmp_path)): GOOD}
    with start(deploy(tmp_path, config, files)) as instance:
        document = json.loads(instance.invoke("f").body)
    name = top.removesuffix(".py")
    assert document["errorType"] == "HandlerNotFound"
    message = document["errorMessage"]
    assert message.startswith(f"{source} is never imported: module '{name}' is ")
    assert f"fix: rename {source}, and its name in functions.yaml" in message
    assert "define it there" not in message


def test_two_files_of_one_name_are_a_warning_with_both(
    tmp_path: Path,
) -> None:
    config = TWO_FOLDERS
    files = {f"{name}/index.py": BESIDE for name in ("sa", "sb")}
    files |= {f"{name}/utils.py": f"NAME = '{name}'\n" for name in ("sa", "sb")}
    with start(deploy(tmp_path, config, files)) as instance:
        warnings = [line for line in instance.log.splitlines() if "[WARNING] /" in line]
    (warning,) = warnings
    assert f"{tmp_path}/sb/utils.py is not the module that 'sb.index' imports" in warning
    assert f"it gets {tmp_path}/sa/utils.py" in warning


def test_different_names_and_folders_that_are_packages_are_no_clash(tmp_path: Path) -> None:
    config = TWO_FOLDERS
    files = {
        "sa/index.py": BESIDE,
        "sa/utils.py": "NAME = 'sa'\n",
        "sb/index.py": "from sb import utils\ndef handle(event, context): return utils.NAME\n",
        "sb/utils.py": "NAME = 'sb'\n",
    }
    with start(deploy(tmp_path, config, files)) as instance:
        assert instance.invoke("sb").body == b"sb"
        assert "[WARNING] /" not in instance.log


def test_the_fix_for_a_missing_module_in_the_same_folder_is_a_relative_import(
    tmp_path: Path,
) -> None:
    config = "version: 1\nfunctions:\n  f: {handler: sub/index.handle}\n"
    files = {"sub/index.py": f"import utils\n{GOOD}", "sub/utils.py": ""}
    with start(deploy(tmp_path, config, files)) as instance:
        message = json.loads(instance.invoke("f").body)["errorMessage"]
        assert "pip install" not in message
        assert f"{tmp_path}/sub/utils.py is in the same folder" in message
        assert "write from . import utils, or from sub import utils" in message
        (tmp_path / "sub" / "index.py").write_text(f"from . import utils\n{GOOD}")
        assert instance.invoke("f").body == b"good"
