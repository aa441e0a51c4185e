"""Used signatures: shared by processes, kept after restarts; on failure all are rejected."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug.web.replay import ReplayMemory, folder_of

USED = "the signature was used before"
NOW = 1_800_000_000  # the start of a period


@pytest.fixture
def memory(tmp_path: Path) -> Callable[..., ReplayMemory]:
    return lambda most=100: ReplayMemory(str(tmp_path / "memory"), 300, most)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")[::-1]


def test_what_one_process_accepted_no_other_accepts(memory: Callable[..., ReplayMemory]) -> None:
    first = memory()
    assert [first.reason_to_reject(digest(n), NOW, NOW) for n in (1, 2, 1)] == ["", "", USED]
    child = os.fork()
    if not child:
        # a copy of the memory, and a new one
        reasons = [
            each.reason_to_reject(digest(n), NOW, NOW) for n in (1, 3) for each in (first, memory())
        ]
        os._exit(reasons != [USED, USED, "", USED])
    assert os.waitpid(child, 0)[1] == 0
    assert [first.reason_to_reject(digest(n), NOW, NOW) for n in (3, 4)] == [USED, ""]
    assert [memory().reason_to_reject(digest(n), NOW, NOW) for n in (1, 2, 3, 4)] == [USED] * 4


def test_signatures_of_all_valid_times_are_remembered_and_no_others(
    memory: Callable[..., ReplayMemory], tmp_path: Path
) -> None:
    kept = memory()
    for moment in (NOW - 300, NOW, NOW + 300):
        assert kept.reason_to_reject(digest(1), moment, NOW) == ""
        assert memory().reason_to_reject(digest(1), moment, NOW) == USED
    assert len(list((tmp_path / "memory").iterdir())) == 3
    later = NOW + 1000
    assert kept.reason_to_reject(digest(1), later, later) == ""
    assert [file.name for file in (tmp_path / "memory").iterdir()] == [f"signatures-{later // 300}"]
    assert kept.reason_to_reject(digest(1), later, later) == USED


def test_too_many_signatures_of_one_period_are_rejected(
    memory: Callable[..., ReplayMemory],
) -> None:
    kept = memory(2)
    reasons = [kept.reason_to_reject(digest(n), NOW, NOW) for n in (1, 2, 3, 1)]
    assert reasons == ["", "", "too many signed requests in a short time", USED]
    assert kept.reason_to_reject(digest(4), NOW + 300, NOW) == ""


def test_a_process_that_died_while_it_wrote_has_accepted_nothing(
    memory: Callable[..., ReplayMemory], tmp_path: Path
) -> None:
    assert memory().reason_to_reject(digest(1), NOW, NOW) == ""
    (file,) = (tmp_path / "memory").iterdir()
    with file.open("ab") as half:
        half.write(digest(2)[:7])
    assert [memory().reason_to_reject(digest(n), NOW, NOW) for n in (1, 2, 1, 2)] == [
        USED,
        "",
        USED,
        USED,
    ]


@pytest.mark.parametrize("harm", ["file", "folder"])
def test_a_deleted_file_is_restored_by_processes_that_have_read_it(
    memory: Callable[..., ReplayMemory], tmp_path: Path, harm: str
) -> None:
    first, second = memory(), memory()
    for number, kept in ((1, first), (2, second), (3, first)):
        assert kept.reason_to_reject(digest(number), NOW, NOW) == ""
    (file,) = (tmp_path / "memory").iterdir()
    file.unlink()
    if harm == "folder":
        file.parent.rmdir()
    assert [second.reason_to_reject(digest(n), NOW, NOW) for n in (3, 4)] == [USED, ""]
    assert [memory().reason_to_reject(digest(n), NOW, NOW) for n in (1, 2, 3, 4)] == [USED] * 4
    assert [first.reason_to_reject(digest(n), NOW, NOW) for n in (4, 5)] == [USED, ""]
    assert second.reason_to_reject(digest(5), NOW, NOW) == USED


def test_with_a_truncated_file_all_requests_are_rejected(
    memory: Callable[..., ReplayMemory], tmp_path: Path
) -> None:
    kept = memory()
    assert kept.reason_to_reject(digest(1), NOW, NOW) == ""
    (file,) = (tmp_path / "memory").iterdir()
    file.write_bytes(b"")
    for number in (1, 2):
        with pytest.raises(OSError, match="was truncated"):
            kept.reason_to_reject(digest(number), NOW, NOW)


@pytest.mark.parametrize("kind", ["open to others", "a link", "a file"])
def test_a_folder_that_others_can_enter_is_not_used(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "memory"
    if kind == "a file":
        folder.touch()
    elif kind == "a link":
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
        folder.chmod(0o711)
    kept = ReplayMemory(str(folder), 300)
    with pytest.raises(PermissionError, match="only this user"):
        kept.prepare()
    with pytest.raises(PermissionError, match="only this user"):
        kept.reason_to_reject(digest(1), NOW, NOW)


FULL = """
import resource, signal, sys
from fcplug.web.replay import ReplayMemory
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
kept = ReplayMemory(sys.argv[1], 300)
print(repr(kept.reason_to_reject(b"1" * 32, 0, 0)))
for size in (24, 16):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        print(kept.reason_to_reject(b"2" * 32, 0, 0))
    except OSError as error:
        print("refused", error.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
print(repr(kept.reason_to_reject(b"2" * 32, 0, 0)), kept.reason_to_reject(b"2" * 32, 0, 0))
"""


def test_with_a_full_disk_all_requests_are_rejected(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "memory")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["''", "refused 28", "refused 27", f"'' {USED}"], done.stderr


def test_the_folder_belongs_to_the_user_and_is_in_the_temporary_folder() -> None:
    assert folder_of({"TMPDIR": "/var/tmp"}) == f"/var/tmp/fcplug-{os.geteuid()}"
    assert folder_of({}) == folder_of({"TMPDIR": ""}) == f"/tmp/fcplug-{os.geteuid()}"
