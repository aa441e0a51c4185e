"""Installed distributions: what is pruned, and what is lacking."""

import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fcplug.build import tree
from fcplug.build.target import Target
from support.packages import wheel

TARGET = Target("custom.debian12", "3.11.2", "x86_64")


def put(folder: Path, name: str, files: dict[str, str], *requires: str) -> None:
    """Install a wheel as uv does, with more files."""
    with zipfile.ZipFile(wheel(folder.parent / "wheels", name, requires=requires)) as archive:
        archive.extractall(folder)
    (info,) = folder.glob(f"{name.replace('-', '_')}-*.dist-info")
    more = {f"{info.name}/INSTALLER": "uv", f"{info.name}/direct_url.json": "{}", **files}
    for path, text in more.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    with (info / "RECORD").open("a") as record:
        record.writelines(f"{path},,\n" for path in more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "python"
    made.mkdir()
    return made


def test_tests_caches_and_commands_go_and_the_record_follows(folder: Path) -> None:
    files = {
        "acme/__init__.py": "from acme import contests",
        "acme/contests.py": "",
        "acme/tests/__init__.py": "",
        "acme/tests/test_it.py": "import acme.tests",
        "acme/__pycache__/x.cpython-311.pyc": "",
        "bin/acme": "#!/root/python\n",
        "bin/tool": "\x7fELF",
    }
    put(folder, "acme", files)
    (folder / ".lock").write_text("")
    tree.prune(folder, tree.installed(folder))
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    info = "acme-1.0.dist-info"
    assert left == {
        "acme.py", "acme/__init__.py", "acme/contests.py", "bin/tool",
        f"{info}/METADATA", f"{info}/RECORD", f"{info}/WHEEL",
    }  # fmt: skip
    record = (folder / info / "RECORD").read_text().splitlines()
    assert {line.rsplit(",", 2)[0] for line in record} == left


@pytest.mark.parametrize(
    "line",
    [
        "from acme.tests import kit",
        "    from .tests.kit import x",
        "import acme.tests.kit",
        "from . import tests",
    ],
)
def test_tests_that_other_modules_import_stay(folder: Path, line: str) -> None:
    put(folder, "acme", {"acme/__init__.py": f"if True:\n    {line}\n", "acme/tests/kit.py": ""})
    tree.prune(folder, tree.installed(folder))
    assert (folder / "acme" / "tests" / "kit.py").exists()


def test_what_is_lacking_is_named_with_what_requires_it(folder: Path) -> None:
    put(folder, "acme", {}, "base>=2", "windows; sys_platform == 'win32'", "web; extra == 'web'")
    put(folder, "base", {}, "acme")
    put(folder, "unneeded", {})
    found = tree.installed(folder)
    unmet, unneeded = tree.lacking(found, [Requirement("acme[web]")], TARGET)
    assert sorted((str(each.requirement), each.by) for each in unmet) == [
        ("base>=2", "acme 1.0"),
        ("web; extra == 'web'".replace("'", '"'), "acme 1.0"),
    ]
    assert unneeded == ["base", "unneeded"]
