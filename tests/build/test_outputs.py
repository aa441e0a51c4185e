"""The files that a build writes: all of one build or none, and nothing beside them."""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread

import pytest

from fcplug.build import outputs
from fcplug.build.failure import BuildError
from fcplug.build.outputs import Outputs
from support.waiting import wait_until


def written(folder: Path, text: str) -> Mapping[Path, Path]:
    """Write the files of a build, and return where they belong."""
    final = Outputs(folder / "code.zip")
    places = {"lock": final.lock, "sbom": final.sbom, "package": final.package}
    folder.joinpath(text).mkdir()
    for name in places:
        (folder / text / name).write_text(text)
    return {folder / text / name: place for name, place in places.items()}


def test_of_two_builds_that_end_at_once_all_files_are_of_the_last_one(tmp_path: Path) -> None:
    together = Barrier(2)

    def publish(text: str) -> None:
        files = written(tmp_path, text)
        together.wait()
        outputs.publish(files)

    with ThreadPoolExecutor(2) as pool:
        for turn in range(30):
            list(pool.map(publish, (f"{turn}-one", f"{turn}-other")))
            assert len({file.read_text() for file in tmp_path.glob("code.*")}) == 1


def test_a_file_that_cannot_be_put_in_its_place_keeps_those_from_before(tmp_path: Path) -> None:
    outputs.publish(written(tmp_path, "old"))
    (tmp_path / "code.zip").unlink()
    (tmp_path / "code.zip").mkdir()
    with pytest.raises(OSError, match="directory"):
        outputs.publish(written(tmp_path, "new"))
    assert (tmp_path / "code.lock.txt").read_text() == "old"
    assert (tmp_path / "code.cdx.json").read_text() == "old"


def test_files_without_a_predecessor_go_away_if_another_cannot_be_put_in_its_place(
    tmp_path: Path,
) -> None:
    (tmp_path / "code.zip").mkdir()
    with pytest.raises(OSError, match="directory"):
        outputs.publish(written(tmp_path, "new"))
    assert [path.name for path in tmp_path.glob("code.*")] == ["code.zip"]


def test_a_failed_build_leaves_no_folder_that_it_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def fail() -> None:
        with outputs.beside(Outputs(tmp_path / "there/new/deep/code.zip")) as folder:
            (folder / "package").write_text("half")
            raise BuildError("no wheel")

    with pytest.raises(BuildError, match="no wheel"):
        fail()
    assert [*tmp_path.rglob("*")] == [tmp_path / "there"]


def test_a_message_names_the_file_of_the_build_and_not_its_temporary_folder(tmp_path: Path) -> None:
    final = Outputs(tmp_path / "code.zip")
    with (
        pytest.raises(BuildError, match=r"^error: [^ ]*/code.zip cannot be written: No such file"),
        outputs.beside(final) as folder,
    ):
        (folder / "missing" / "file").write_text("")


def test_a_second_interrupt_does_not_stop_the_removal(tmp_path: Path) -> None:
    folder, gone = tmp_path / "work", tmp_path / "work" / "0"

    def interrupt() -> None:
        wait_until(lambda: not gone.exists())
        os.kill(os.getpid(), signal.SIGINT)

    def build() -> None:
        second = Thread(target=interrupt)
        try:
            with outputs.temporary(folder):
                for number in range(3000):
                    (folder / f"{number}").touch()
                second.start()
                raise KeyboardInterrupt
        finally:
            second.join()  # the signal arrives before that, so never outside of this test

    with pytest.raises(KeyboardInterrupt):
        build()
    assert not folder.exists()
