"""The lock file: what is written is what is read."""

from pathlib import Path

import pytest

from fcplug.build import lock
from fcplug.build.failure import BuildError
from fcplug.build.lock import LocalPin, Lock, Pin

TARGET = "custom.debian12 (Python 3.11, x86_64, glibc 2.36)"
LOCK = Lock(
    TARGET,
    (
        Pin("falcon", "4.4.0", "", ("sha256:0a", "sha256:1b")),
        Pin("remote", "", "https://example.com/remote-1.0-py3-none-any.whl", ("sha256:2c",)),
    ),
    (
        LocalPin("acme", "1.0", "plugins/acme of ours", ""),
        LocalPin("fcplug", "0.1.0", "dist/fcplug-0.1.0-py3-none-any.whl", "sha256:3d"),
    ),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "code.lock.txt"
    file.write_text(LOCK.text())
    assert lock.read(file) == LOCK
    assert lock.read(tmp_path / "other.lock.txt") is None


def test_another_file_is_no_lock_file(tmp_path: Path) -> None:
    file = tmp_path / "code.lock.txt"
    file.write_text("falcon==4.4.0\n")
    with pytest.raises(BuildError, match="is no lock file of fcplug build"):
        lock.read(file)
    file.write_bytes(b"\xff")
    with pytest.raises(BuildError, match="cannot be read"):
        lock.read(file)


@pytest.mark.parametrize(
    ("local", "said"),
    [
        (LOCK.local, []),
        (
            (*LOCK.local, LocalPin("new", "2", "new", "")),
            ["it does not name new 2 from new"],
        ),
        (
            (LocalPin("acme", "1.1", "plugins/acme", ""), LOCK.local[1]),
            ["it names acme 1.0, and not acme 1.1 from plugins/acme"],
        ),
        (
            (LOCK.local[0], LOCK.local[1]._replace(digest="sha256:4e")),
            ["it names another file than dist/fcplug-0.1.0-py3-none-any.whl for fcplug"],
        ),
        (LOCK.local[1:], ["it names acme, which nothing requires"]),
    ],
)
def test_what_is_here_is_held_against_the_file(
    local: tuple[LocalPin, ...], said: list[str]
) -> None:
    assert lock.refusals(LOCK, TARGET, local) == said


def test_a_file_for_another_target_is_refused() -> None:
    (said,) = lock.refusals(LOCK, "custom.debian10", LOCK.local)
    assert said.startswith("it is for custom.debian12")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("<<<<<<< HEAD", r"code\.lock\.txt:9: '<<<<<<< HEAD' is no line of a lock file"),
        ("waitress==3.0.2; never", r"code\.lock\.txt:9: 'waitress==3\.0\.2; never' is no line"),
        ("--index-url https://example.com", r"code\.lock\.txt:9: '--index-url .*' is no line"),
        ("Falcon==4.3.0 --hash=sha256:4d", r"code\.lock\.txt names falcon twice"),
    ],
    ids=["merge-conflict", "marker", "option", "two-versions"],
)
def test_a_line_that_was_not_written_is_not_passed_over(
    tmp_path: Path, line: str, error: str
) -> None:
    file = tmp_path / "code.lock.txt"
    text = LOCK.text()
    written = text.index("remote @")
    file.write_text(f"{text[:written]}{line}\n{text[written:]}")
    with pytest.raises(BuildError, match=error):
        lock.read(file)
    file.write_text(f"{text}\n# a note of ours\n".replace("\n", "\r\n"), newline="")
    assert lock.read(file) == LOCK
