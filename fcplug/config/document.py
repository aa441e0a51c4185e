"""A configuration's text as plain values, each with its place."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fcplug.config import yaml_subset
from fcplug.config.interpolation import LONE_SURROGATE, filled
from fcplug.config.location import Path, Place, dotted
from fcplug.errors import ConfigError, Problem

if TYPE_CHECKING:
    from fcplug.config import yaml_strict


class Document(NamedTuple):
    """The values of a file, and where each stands: under a key's path, the key's own place."""

    file: str
    values: Any
    places: Mapping[Path, Place]

    def problem(self, path: Path, what: str, key: str = "") -> Problem:
        """Return a problem of a value, or of one key in it, at the nearest place the file has."""
        known = (*path, key) if key else path
        while known and known not in self.places:
            known = known[:-1]
        return Problem(self.file, *self.places.get(known, Place(1, 1)), dotted(path), what)


def read(text: str, file: str, environ: Mapping[str, str]) -> tuple[Document, list[Problem]]:
    """Read YAML text into plain values, ``${NAME}`` and ``${NAME:-default}`` filled in.

    Returns also what is wrong with single values, which are ``INVALID`` in the document.

    Raises:
        ConfigError: the text is not YAML at all.
    """

    def filled_in(value: str) -> str | None:
        result, problems = filled(value, environ)
        return None if problems or re.search(LONE_SURROGATE, result) else result

    if everyday := yaml_subset.read(text, filled_in):
        return Document(file, *everyday), []
    # PyYAML's import takes longer than all of this
    from fcplug.config import yaml_strict  # noqa: PLC0415

    try:
        values, places, problems = yaml_strict.read(text, lambda value: filled(value, environ))
    except yaml_strict.Refused as refused:
        raise ConfigError(_located(file, [refused.problem])) from None
    return Document(file, values, places), _located(file, problems)


def parse(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """Read YAML text as ``read`` does, and accept no problem.

    Raises:
        ConfigError: with every problem found, each at its line and column in ``file``.
    """
    document, problems = read(text, file, environ)
    if problems:
        raise ConfigError(problems)
    return document


def _located(file: str, problems: Sequence["yaml_strict.Problem"]) -> list[Problem]:
    return [Problem(file, *place, dotted(path), what) for path, place, what in problems]
