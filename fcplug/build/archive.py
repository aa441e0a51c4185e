"""The archive of a package: the same files make the same bytes, everywhere and for everybody."""

import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from fcplug.build.failure import BuildError

LIMIT = 500  # MB that Function Compute takes
SOME_REGIONS = 100  # MB that its smaller regions take, and an upload that is no OSS object
MB = 1024 * 1024
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR = 0o100000


def names(folder: Path) -> list[str]:
    """Return the relative paths of the files of a folder, in order.

    Raises:
        BuildError: one has a name that a package cannot carry, or is no regular file.
    """
    found = []
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        check_name(name)
        if path.is_symlink() or not path.is_file():
            raise BuildError(f"{name} is no regular file", fix="leave it out")
        found.append(name)
    return sorted(found)


def check_name(name: str) -> None:
    """Check that an archive can carry a file name, and that nobody misreads it.

    Raises:
        BuildError: it has a line end, another character that is not printed, or a backslash.
    """
    if not name.isprintable() or "\\" in name:
        what = f"the file name {name!r} has a character that a package cannot carry"
        raise BuildError(what, fix="rename the file, or leave it out")


def write(folder: Path, archive: Path, packed: Callable[[int, int], None]) -> Mapping[str, int]:
    """Write the files of a folder into a new archive.

    Returns the compressed bytes of each.

    Args:
        folder: the files.
        archive: the file to write.
        packed: is called with the bytes that are packed, and those of all files.
    """
    listed = names(folder)
    total = sum((folder / name).stat().st_size for name in listed)
    done, sizes = 0, {}
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_DEFLATED, compresslevel=6) as zipped:
        for name in listed:
            path = folder / name
            entry = zipfile.ZipInfo(name, _FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.file_size = path.stat().st_size
            entry.external_attr = (_REGULAR | mode_of(path)) << 16
            with path.open("rb") as source, zipped.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            done += entry.file_size
            sizes[name] = entry.compress_size
            packed(done, total)
    return sizes


def mode_of(path: Path) -> int:
    """Return the mode of a file in a package: everybody reads it, and runs it if its owner may."""
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def check_size(archive: Path, limit: int) -> None:
    """Check that Function Compute takes an archive.

    Raises:
        BuildError: it is larger than ``limit``, in MB.
    """
    size = archive.stat().st_size
    if size > limit * MB:
        raise BuildError(
            f"the package has {size / MB:.1f} MB, and Function Compute takes {limit} MB",
            fix="--function NAME packs what one function needs; move large files to a layer or NAS",
        )


def source_of(name: str) -> str:
    """Return the path of the module that a compiled file belongs to, else the path itself."""
    folder, _, file = name.rpartition("/")
    parent, _, last = folder.rpartition("/")
    if last != "__pycache__":
        return name
    module = f"{file.partition('.')[0]}.py"
    return f"{parent}/{module}" if parent else module
