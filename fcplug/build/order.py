"""What is to be built, and what came of it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fcplug.build import archive
from fcplug.build.outputs import Outputs
from fcplug.build.target import Target
from fcplug.config.loader import Config

Progress = Callable[[float, str], None]
"""Called with how much of the work is done, from 0 to 1, and what comes next."""


class Order(NamedTuple):
    """What is to be built.

    Attributes:
        text: that of the configuration.
        folder: the code folder.
        functions: the FC functions that the package is for, empty for all.
        includes: patterns of files of the code folder.
        locked: whether only what the lock file names is taken.
        upgrade: whether the newest versions are taken.
        compiled: whether compiled code is added.
        loaded: whether the functions are loaded from the package.
        limit: MB that the archive may have.
        installer: ``uv`` or ``pip``, empty for uv where it is.
    """

    config: Config
    text: str
    folder: Path
    target: Target
    outputs: Outputs
    functions: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    locked: bool = False
    upgrade: bool = False
    compiled: bool = True
    loaded: bool = True
    limit: int = archive.LIMIT
    installer: str = ""


class Part(NamedTuple):
    """What a package has of one distribution, or of the code folder.

    Attributes:
        source: where it comes from.
        size: bytes of its files.
        packed: bytes of the archive that they take.
    """

    name: str
    version: str
    source: str
    files: int
    size: int
    packed: int


class Built(NamedTuple):
    """A finished package.

    Attributes:
        digest: its SHA-256.
        size: bytes of the archive.
        functions: those that it serves.
        parts: what it has, the largest first.
        left_out: entries of the code folder that it has not.
        installer: what installed the distributions.
        python: the interpreter that compiled the code, empty if it is not compiled.
        loaded: whether its functions were loaded from it.
        notes: what is worth knowing.
    """

    outputs: Outputs
    digest: str
    size: int
    functions: tuple[str, ...]
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    installer: str
    python: str
    loaded: bool
    notes: tuple[str, ...]
