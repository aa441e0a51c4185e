"""A configuration's text as plain values, each with its place."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fcplug.config import yaml_subset
from fcplug.config.interpolation import LONE_SURROGATE, filled
from fcplug.config.location import Path, Place, dotted
from fcplug.errors import ConfigError, Problem


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


def parse(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """Read YAML text into plain values, ``${NAME}`` and ``${NAME:-default}`` filled in.

    Raises:
        ConfigError: with every problem found, each at its line and column in ``file``.
    """

    def filled_in(value: str) -> str | None:
        result, problems = filled(value, environ)
        return None if problems or re.search(LONE_SURROGATE, result) else result

    if everyday := yaml_subset.read(text, filled_in):
        return Document(file, *everyday)
    from fcplug.config import yaml_strict  # noqa: PLC0415 - PyYAML's import takes longer than all of this

    try:
        return Document(file, *yaml_strict.read(text, lambda value: filled(value, environ)))
    except yaml_strict.Refused as refused:
        problems = refused.problems
    raise ConfigError(Problem(file, *place, dotted(path), what) for path, place, what in problems)
