"""The entry points of installed distributions: the same as with ``importlib.metadata``."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from fcplug.plugins.entry_points import EntryPointIndex

GROUP = "fcplug.handlers"
Install = Callable[..., Path]


def by_importlib() -> set[tuple[str, str, str, str]]:
    """Return the entry points as importlib.metadata knows them."""
    found = set()
    for entry in metadata.entry_points(group=GROUP):
        assert entry.dist is not None
        found.add((entry.name, entry.value, entry.dist.metadata["Name"], entry.dist.version))
    return found


def listed() -> set[tuple[str, str, str, str]]:
    entries = EntryPointIndex().entry_points(GROUP)
    assert len(set(entries)) == len(entries)
    return {(e.name, e.value, e.package, e.version) for e in entries}


def offers(name: str) -> bool:
    return name in {entry[0] for entry in listed()}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Put another folder last on the path."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))


def put(folder: Path, kind: str, points: str, facts: str = "Name: Odd.Name\nVersion: 3\n") -> Path:
    info = folder / kind
    info.mkdir()
    (info / ("METADATA" if kind.endswith("dist-info") else "PKG-INFO")).write_bytes(facts.encode())
    (info / "entry_points.txt").write_bytes(points.encode())
    return info


OURS, OTHERS = "[fcplug.handlers]\nmy = mine:handle\n", "[fcplug.middleware]\nmy = no:no\n"
NAMED = "Name: Odd.Name\nVersion: 3\n"


@pytest.mark.parametrize(
    ("points", "facts"),
    [
        (OURS, NAMED),
        (f"# c\n\n{OTHERS}[fcplug.handlers]\n # c\n my=a:b [x]\n", "name: n\nversion: 3"),
        (OURS.replace("\n", "\r\n"), "Name: n\r\nVersion: 3\r\n\r\nName: not this\r\n"),
        (f"{OURS}my = a = b\nyour=c\n{OTHERS}", "Version: 1\nName: x\n"),
        (OTHERS, NAMED),
        (OURS, "Name: größe\nVersion: 3\nDescription: x\n  y\n\nName: b\nVersion: 4\n"),
    ],
    ids=["plain", "comments", "windows", "two-groups", "another-group", "a-long-text"],
)
@pytest.mark.parametrize("kind", ["odd_name-3.dist-info", "Odd.Name-3-py3.egg-info"])
def test_files_are_read_as_importlib_reads_them(
    site: Path, kind: str, points: str, facts: str
) -> None:
    put(site, kind, points, facts)
    assert listed() == by_importlib()
    assert offers("my") == (points != OTHERS)


def test_of_two_distributions_of_one_name_the_first_on_the_path_counts(
    site: Path, elsewhere: Path, install: Install
) -> None:
    put(elsewhere, "my_dist-1.dist-info", "[fcplug.handlers]\nold = a:b\n")
    install("my-dist", {}, handlers={"new": "mine:handle"})
    assert listed() == by_importlib()
    assert offers("new")
    assert not offers("old")


def test_a_folder_that_is_twice_on_the_path_counts_once(site: Path, install: Install) -> None:
    install("my-dist", {}, handlers={"my": "mine:handle"})
    sys.path.append(str(site))
    sys.path.append(str(site / "missing"))
    try:
        assert listed() == by_importlib()
    finally:
        del sys.path[-2:]


def test_a_distribution_in_an_archive_is_found(tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-1.dist-info/METADATA", "Name: zipped\nVersion: 1\n")
        file.writestr("zipped-1.dist-info/entry_points.txt", "[fcplug.handlers]\nin-zip = a:b\n")
    sys.path.append(str(archive))
    try:
        assert offers("in-zip")
    finally:
        sys.path.remove(str(archive))


def test_a_distribution_in_an_egg_is_found(site: Path) -> None:
    egg = site / "mine-1-py3.egg"
    egg.mkdir()
    put(egg, "EGG-INFO", "[fcplug.handlers]\nin-egg = a:b\n", "Name: mine\nVersion: 1\n")
    sys.path.append(str(egg))
    try:
        assert offers("in-egg") == ("in-egg" in {entry[0] for entry in by_importlib()})
    finally:
        sys.path.remove(str(egg))


def test_custom_finders_of_distributions_are_used(elsewhere: Path) -> None:
    hidden = elsewhere / "hidden"
    hidden.mkdir()
    info = put(hidden, "odd-1.dist-info", "[fcplug.handlers]\nfound = a:b\n")

    class Finder(MetaPathFinder):
        def find_distributions(self, context: object) -> list[metadata.Distribution]:
            return [metadata.PathDistribution(info)]

    finder = Finder()
    sys.meta_path.append(finder)
    try:
        assert offers("found")
    finally:
        sys.meta_path.remove(finder)


def test_text_in_another_encoding_costs_its_own_file_only(site: Path, install: Install) -> None:
    install("good-dist", {}, handlers={"good": "mine:handle"})
    info = install("old-dist", {}, handlers={"old": "mine:handle"})
    (info / "METADATA").write_bytes(b"Name: old-dist\nVersion: 1\nAuthor: \xe9\n")
    assert offers("old")
    info = install("bad-dist", {}, handlers={"bad": "mine:handle"})
    (info / "entry_points.txt").write_bytes(b"# \xe9\n[fcplug.handlers]\nbad = a:b\n")
    (site / "old_dist-1.2.dist-info" / "METADATA").write_bytes(b"Name: old-dist\nVersion: 1\n")
    assert not offers("bad")
    assert offers("good")


def test_metadata_without_a_name_or_a_version_is_left_to_importlib(site: Path) -> None:
    put(site, "a-1.dist-info", "[fcplug.handlers]\nnameless = a:b\n", "Version: 1\n")
    assert not offers("nameless")
