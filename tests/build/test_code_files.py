"""The files of the code folder: what a package gets, and what it never gets."""

from pathlib import Path

import pytest

from fcplug.build import code_files
from fcplug.build.failure import BuildError

FILES = (
    "index.py", "shop/__init__.py", "shop/data.json", "shop/key.pem", "shop/tests/test_it.py",
    "shop/__pycache__/x.pyc", "pages/a.html", "pages/deep/b.html", "pages/.env.local",
    "tests/t.html",
    ".venv/lib/c.html", ".git/d.html", "bootstrap", "config/functions.yaml",
    "config/functions.yaml.msgpack", "config/more.html",
    "code.zip", "python/old.html", ".fcplug-build-1/e.html",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text(name)
    return tmp_path / "code"


def copied(folder: Path, *includes: str) -> set[str]:
    into = folder.parent / "into"
    into.mkdir(exist_ok=True)
    needed = [folder / "index.py", folder / "shop"]
    names = code_files.copy(folder, needed, includes, into, [folder / "code.zip"])
    assert all((into / name).read_text() == (folder / name).read_text() for name in names)
    return names


NEEDED = {"index.py", "shop/__init__.py", "shop/data.json"}


def test_a_package_of_the_folder_is_whole_but_for_tests_caches_and_secrets(folder: Path) -> None:
    assert copied(folder) == NEEDED


@pytest.mark.parametrize(
    ("pattern", "added"),
    [
        ("pages", {"pages/a.html", "pages/deep/b.html"}),
        ("pages/*", {"pages/a.html", "pages/deep/b.html"}),
        ("**/*.html", {"pages/a.html", "pages/deep/b.html", "config/more.html"}),
        ("**/*", {"pages/a.html", "pages/deep/b.html", "config/more.html"}),
        ("pages/a.html", {"pages/a.html"}),
        ("shop/key.pem", {"shop/key.pem"}),
        ("shop/tests/test_it.py", {"shop/tests/test_it.py"}),
    ],
)
def test_a_pattern_adds_what_may_be_there(folder: Path, pattern: str, added: set[str]) -> None:
    assert copied(folder, pattern) == NEEDED | added


def test_what_is_left_out_is_named_unless_it_is_usual(folder: Path) -> None:
    (folder / "README.md").write_text("")
    for number in range(9):
        (folder / f"{number}.csv").write_text("")
    assert code_files.left_out(folder, {"index.py", "shop/__init__.py"}) == [
        *(f"{number}.csv" for number in range(8)), "2 more",
    ]  # fmt: skip
    for number in range(9):
        (folder / f"{number}.csv").unlink()
    assert code_files.left_out(folder, {"index.py", "shop/__init__.py"}) == ["pages/"]


def test_a_link_is_taken_as_its_file_and_a_link_to_a_folder_is_an_error(folder: Path) -> None:
    (folder / "shop" / "page.html").symlink_to("../pages/a.html")
    assert copied(folder) == NEEDED | {"shop/page.html"}
    assert not (folder.parent / "into" / "shop" / "page.html").is_symlink()
    (folder / "shop" / "pages").symlink_to("../pages")
    with pytest.raises(BuildError, match="shop/pages is a link to a folder"):
        copied(folder)
