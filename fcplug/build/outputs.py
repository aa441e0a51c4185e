"""The files that a build writes: all of them, or none; what was there stays until then."""

import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    # named before it is made: an interrupt at any moment removes it
    folder = outputs.package.parent / f".fcplug-build-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise _unwritten(error, outputs) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(files: Mapping[Path, Path]) -> None:
    """Put finished files in the place of their predecessors; a signal waits until all are there."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        for written in files:
            with written.open("rb") as stream:
                os.fsync(stream.fileno())
        for written, final in files.items():
            written.replace(final)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _unwritten(error: OSError, outputs: Outputs) -> BuildError:
    where = error.filename or outputs.package
    what = f"{where} cannot be written: {error.strerror or error}"
    kept = f"{outputs.package} is as it was" if outputs.package.exists() else "nothing was written"
    return BuildError(what, kept)
