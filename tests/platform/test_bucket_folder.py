"""A folder as a bucket: real files put, overwritten, renamed and removed, and half-written ones."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcplug.platform.bucket_event import ObjectChange
from fcplug.platform.bucket_folder import BucketFolder
from support import commands
from support.waiting import wait_until


class Bucket:
    """A watched folder, and what it reported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: list[ObjectChange] = []
        self.said: list[str] = []

    @property
    def seen(self) -> list[tuple[str, bool, int, int]]:
        return [(each.key, each.removed, each.size, each.before) for each in self.changes]

    def wait(self, *changes: tuple[str, bool, int, int]) -> None:
        """Wait for exactly these changes, in any order, and forget them."""
        wait_until(lambda: len(self.changes) >= len(changes))
        assert sorted(self.seen) == sorted(changes)
        self.changes.clear()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "old").write_text("old")
    bucket = Bucket(folder)
    with BucketFolder("photos", folder, bucket.changes.append, bucket.said.append):
        yield bucket


def test_objects_are_put_overwritten_renamed_and_removed(bucket: Bucket) -> None:
    folder = bucket.folder
    (folder / "new").write_text("new!")
    (folder / "old").write_text("other")
    wait_until(lambda: len(bucket.changes) == 2)
    assert bucket.changes[0].etag == "E79176EE652B9CDA9ECA2FF82606CF78"
    bucket.wait(("new", False, 4, 0), ("old", False, 5, 3))
    (folder / "new").rename(folder / "newer")
    (folder / "old").unlink()
    bucket.wait(("new", True, 0, 4), ("newer", False, 4, 0), ("old", True, 0, 5))


def test_what_is_hidden_temporary_or_gone_again_is_no_object(bucket: Bucket) -> None:
    folder = bucket.folder
    temporary = [".a.jpg", "a.jpg~", "b.part", "b.crdownload", "b.tmp", ".git/config"]
    (folder / ".git").mkdir()
    for name in temporary:
        (folder / name).write_text("1")
    os.mkfifo(folder / "pipe")
    (folder / "leads nowhere").symlink_to("missing")
    (folder / "loop").symlink_to(folder)
    (folder / "comes and goes").write_text("1")
    (folder / "comes and goes").unlink()
    (folder / "last").write_text("1")
    bucket.wait(("last", False, 1, 0))
    (folder / "b.part").rename(folder / "b")
    bucket.wait(("b", False, 1, 0))


def test_odd_names_and_a_whole_tree_are_objects(bucket: Bucket, tmp_path: Path) -> None:
    names = [
        "a b.jpg",
        "a\nb",
        "\N{SNOWMAN}/\N{CJK UNIFIED IDEOGRAPH-56FE}.jpg",
        "-x",
        "'\"\\",
        "%41+",
    ]
    for name in names:
        path = tmp_path / "elsewhere" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    (tmp_path / "elsewhere").rename(bucket.folder / "tree")
    bucket.wait(*[(f"tree/{name}", False, 1, 0) for name in names])


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux takes such names")
def test_a_name_that_is_no_key_is_said_once_and_hides_nothing(bucket: Bucket) -> None:
    for content in ("1", "22"):
        Path(os.fsdecode(os.fsencode(bucket.folder) + b"/\xff.jpg")).write_text(content)
        (bucket.folder / "after").write_text(content)
        wait_until(lambda: bucket.changes)
        bucket.changes.clear()
    assert bucket.said == [r"b'\xff.jpg' is not UTF-8, as the key of an object must be"]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux tells who has a file open")
def test_a_file_that_somebody_writes_is_not_whole_however_long_it_rests(bucket: Bucket) -> None:
    with (bucket.folder / "slow").open("w") as slow:
        slow.write("half")
        slow.flush()
        (bucket.folder / "quick").write_text("1")
        bucket.wait(("quick", False, 1, 0))  # which came later
        (bucket.folder / "quick").write_text("22")
        bucket.wait(("quick", False, 2, 1))
        slow.write(" and half")
    bucket.wait(("slow", False, 13, 0))


def test_a_folder_that_was_gone_is_watched_again(bucket: Bucket) -> None:
    shutil.rmtree(bucket.folder)
    wait_until(lambda: bucket.said == ["the folder is gone: nothing is noticed until it is back"])
    bucket.changes.clear()
    bucket.folder.mkdir()
    (bucket.folder / "old").write_text("back")
    wait_until(lambda: ("old", False, 4) in [each[:3] for each in bucket.seen])


NO_ROOM = """
import os, resource, sys, time
from pathlib import Path
from fcplug.platform.bucket_folder import BucketFolder
folder = Path(sys.argv[1])
used = len(os.listdir("/dev/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2, used + 2))  # too few for a watch
with BucketFolder("photos", folder, lambda change: print(change.key, flush=True), print):
    (folder / "a").write_text("1")
    sys.stdin.readline()
"""


def test_where_nothing_can_be_watched_the_folder_is_read_again_and_again(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=commands.unmeasured(),
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().startswith(
            "it cannot be watched, and is read again and again: "
        )
        assert process.stdout.readline() == "a\n"
        process.communicate("\n")
    assert process.returncode == 0
