"""What resolves and installs the distributions of a package: uv, or pip."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from fcplug.build.lock import Pin
from fcplug.build.target import Target


class Question(NamedTuple):
    """What is to be resolved.

    Attributes:
        requirements: lines of a requirements file.
        preferred: the versions to take where they fit, by name.
        why: what needs each requirement, by the name of its distribution.
        newest: whether to look for versions that appeared since the last look.
    """

    requirements: Sequence[str]
    preferred: Mapping[str, str]
    why: Mapping[str, str]
    newest: bool


class Installer(Protocol):
    """A program that installs distributions."""

    @property
    def name(self) -> str:
        """Its name, for messages."""

    def build(self, source: str, folder: Path) -> None:
        """Build the wheel of a folder, archive or URL into a folder.

        Raises:
            BuildError: it cannot be built.
        """

    def resolve(self, question: Question, target: Target, work: Path) -> tuple[Pin, ...]:
        """Return the distributions that meet all requirements, from wheels for a target only.

        Raises:
            BuildError: there are none; it says which, and what requires it.
        """

    def install(self, lines: Sequence[str], target: Target, folder: Path, work: Path) -> None:
        """Install exactly the distributions of lines with hashes into a folder.

        Raises:
            BuildError: one is not there, has another hash, or the folder takes no more.
        """
