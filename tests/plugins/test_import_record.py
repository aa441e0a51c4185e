"""Broken code is imported again once it is corrected, with the modules it belongs to."""

import json
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start

CONFIG = """\
version: 1
functions:
  a: {handler: NAME_A}
  b: {handler: NAME_B}
"""
GOOD = "def handle(event, context): return 'good'\n"
WRONG = {
    "broken": "raise ValueError('wrong')\n",
    "without the handler": "def handel(event, context): return 'no'\n",
    "a handler that does not fit": "def handle(a, b, c): return 'no'\n",
}


def answer(instance: Instance, function: str) -> str:
    return instance.invoke(function).body.decode()


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("package", [False, True], ids=["a namespace", "a package"])
def test_a_broken_module_of_a_package_in_use_is_imported_again(
    tmp_path: Path, package: bool, wrong: str, isolation: str
) -> None:
    config = CONFIG.replace("NAME_A", "fns.a.handle").replace(
        "NAME_B", f"fns.b.handle, isolation: {isolation}"
    )
    files = {"fns/a.py": f"made = object()\n{GOOD}", "fns/b.py": wrong}
    if package:
        files["fns/__init__.py"] = ""
    with start(deploy(tmp_path, config, files)) as instance:
        assert answer(instance, "a") == "good"
        assert json.loads(answer(instance, "b"))["errorType"]
        (tmp_path / "fns" / "b.py").write_text(f"# now it is right\n{GOOD}")
        assert answer(instance, "b") == "good"
        assert answer(instance, "a") == "good"


@pytest.mark.parametrize(
    ("helper", "imported"),
    [
        ("fns/helper.py", "from fns import helper"),
        ("fns/helper.py", "from fns.helper import VALUE as _\nimport fns.helper as helper"),
        ("helper.py", "import helper"),
        ("tools/helper.py", "from tools import helper"),
    ],
)
def test_modules_that_a_broken_module_imports_are_imported_again_too(
    tmp_path: Path, helper: str, imported: str
) -> None:
    config = CONFIG.replace("NAME_A", "fns.a.handle").replace("NAME_B", "fns.b.handle")
    handler = f"{imported}\nassert helper.VALUE == 'right'\n{GOOD}"
    files = {"fns/a.py": GOOD, "fns/b.py": handler, helper: "VALUE = 'wrong'\n"}
    with start(deploy(tmp_path, config, files)) as instance:
        assert json.loads(answer(instance, "b"))["errorType"] == "UserCodeError"
        (tmp_path / helper).write_text("# corrected\nVALUE = 'right'\n")
        assert answer(instance, "b") == "good"


def test_a_module_that_others_use_is_not_imported_again(tmp_path: Path) -> None:
    config = CONFIG.replace("NAME_A", "fns.a.handle").replace("NAME_B", "fns.b.handle")
    shared = "import itertools\ncount = itertools.count()\n"
    handler = "import shared\nfrom fns import own\ndef handle(): return str(next(shared.count))\n"
    files = {
        "fns/a.py": handler,
        "fns/b.py": f"import shared\nfrom fns import own\nimport sqlite3\n{handler}1 / 0\n",
        "fns/own.py": "",
        "shared.py": shared,
    }
    with start(deploy(tmp_path, config, files)) as instance:
        assert answer(instance, "a") == "0"
        assert json.loads(answer(instance, "b"))["errorType"] == "UserCodeError"
        (tmp_path / "fns" / "b.py").write_text(handler)
        assert [answer(instance, "b"), answer(instance, "a")] == ["1", "2"]
