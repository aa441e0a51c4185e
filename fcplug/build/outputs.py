"""The files that a build writes: all of them, or none; what was there stays until then."""

import fcntl
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fcplug.build.failure import BuildError

_SUFFIX = ".zip"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Outputs(NamedTuple):
    """The paths of a package, of its lock file and of its bill of materials."""

    package: Path

    @property
    def lock(self) -> Path:
        """The lock file: ``code.lock.txt``."""
        return self._beside(".lock.txt")

    @property
    def sbom(self) -> Path:
        """The bill of materials: ``code.cdx.json``."""
        return self._beside(".cdx.json")

    def _beside(self, suffix: str) -> Path:
        return self.package.with_name(f"{self.package.name.removesuffix(_SUFFIX)}{suffix}")


@contextmanager
def beside(outputs: Outputs) -> Iterator[Path]:
    """Give a new folder on the disk of the outputs; it is removed at the end.

    Raises:
        BuildError: nothing can be written there.
    """
    for path in (outputs.package, outputs.lock, outputs.sbom):
        if path.is_dir():
            raise BuildError(
                f"{path} is a folder", fix="name the file of the package: --output FILE"
            )
    folder = outputs.package.parent / f".fcplug-build-{secrets.token_hex(4)}"
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        with temporary(folder):
            yield folder
    except OSError as error:
        raise _unwritten(error, folder, outputs) from error
    finally:
        with suppress(OSError):  # those that now have files stay
            for parent in made:
                parent.rmdir()


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """Make a folder that is removed at the end, also by an interrupt; a second one waits."""
    # named before it is made: an interrupt at any moment removes it
    try:
        folder.mkdir(mode=0o700, parents=True)
        yield folder
    finally:
        with _held_signals():
            shutil.rmtree(folder, ignore_errors=True)


def publish(files: Mapping[Path, Path]) -> None:
    """Put finished files of one folder in the place of their predecessors: all, or none.

    A signal waits until all are there, and so does another build that ends at the same time.
    """
    for written in files:
        with written.open("rb") as stream:
            os.fsync(stream.fileno())
    with _alone_in(next(iter(files.values())).parent), _held_signals():
        before: dict[Path, Path | None] = {}
        try:
            for written, final in files.items():
                before[final] = _kept(final, written.with_name(f"{written.name}.before"))
                written.replace(final)
        except OSError:
            for final, kept in before.items():
                if kept:
                    kept.replace(final)
                else:
                    final.unlink(missing_ok=True)
            raise


def _kept(final: Path, beside: Path) -> Path | None:
    """Give a file a second name, None if there is no file."""
    if not os.path.lexists(final):
        return None
    try:
        os.link(final, beside, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(final, beside)
    return beside


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other build puts files into a folder."""
    opened = -1
    with suppress(OSError):  # a folder that cannot be read, a disk without locks
        opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(opened, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if opened >= 0:
            os.close(opened)


@contextmanager
def _held_signals() -> Iterator[None]:
    """Let signals wait; a mask would not do, because they may reach another thread."""
    if threading.current_thread() is not threading.main_thread():
        yield  # which no signal handler interrupts
        return
    arrived: dict[int, None] = {}
    before = {
        number: signal.signal(number, lambda each, _frame: arrived.setdefault(each))
        for number in _SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for each in arrived:
            signal.raise_signal(each)


def _unwritten(error: OSError, folder: Path, outputs: Outputs) -> BuildError:
    """Return the error, by the name of a file that is not in the temporary folder."""
    named = [
        Path(name) for name in (error.filename, error.filename2) if isinstance(name, str | Path)
    ]
    where = next((path for path in named if folder not in (path, *path.parents)), outputs.package)
    what = f"{where} cannot be written: {error.strerror or error}"
    kept = f"{outputs.package} is as it was" if outputs.package.exists() else "nothing was written"
    return BuildError(what, kept)
