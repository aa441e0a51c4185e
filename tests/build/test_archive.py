"""Archives: sorted, with fixed dates and modes, and without names that deceive."""

import os
import zipfile
from pathlib import Path

import pytest

from fcplug.build import archive
from fcplug.build.failure import BuildError


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for number, order in enumerate((["b/x.py", "a"], ["a", "b/x.py"])):
        folder = tmp_path / f"folder-{number}"
        for name in order:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name * 1000)
            os.utime(folder / name, (number * 1e9, number * 1e9))
        (folder / "a").chmod((0o700, 0o775)[number])
        (folder / "b" / "x.py").chmod((0o600, 0o664)[number])
        target = tmp_path / f"{number}.zip"
        told: list[tuple[int, int]] = []
        sizes = archive.write(folder, target, lambda *each, told=told: told.append(each))
        assert list(sizes) == ["a", "b/x.py"]
        assert told[-1] == (7000, 7000)
        made.append(target.read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "0.zip") as archived:
        assert [entry.external_attr >> 16 for entry in archived.infolist()] == [0o100755, 0o100644]
        assert archived.testzip() is None


@pytest.mark.parametrize("name", ["two\nlines", "esc\x1b[31m", "back\\slash", "lone\udcff"])
def test_a_name_that_deceives_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(BuildError, match="has a character that a package cannot carry") as caught:
        archive.names(tmp_path)
    assert "\x1b" not in str(caught.value)


def test_a_link_is_no_regular_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(BuildError, match="link is no regular file"):
        archive.names(tmp_path)


@pytest.mark.parametrize(
    ("compiled", "module"),
    [
        ("a/__pycache__/b.cpython-311.pyc", "a/b.py"),
        ("__pycache__/b.cpython-311.pyc", "b.py"),
        ("a/b.py", "a/b.py"),
    ],
)
def test_a_compiled_file_belongs_to_its_module(compiled: str, module: str) -> None:
    assert archive.source_of(compiled) == module
