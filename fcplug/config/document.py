"""Turns the text of a configuration into plain values, each with its location."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fcplug.config.interpolation import filled
from fcplug.config.location import Location, Path, dotted
from fcplug.config.stored import Stored
from fcplug.errors import ConfigError, Problem

if TYPE_CHECKING:
    from fcplug.config.yaml_mistakes import Finding


class Document(NamedTuple):
    """The values of a file and their locations; a key's path has the location of the key."""

    file: str
    values: Any
    locations: Mapping[Path, Location]

    def problem(self, path: Path, what: str, key: str = "") -> Problem:
        """Return a problem of a value, or of a key in it, at the nearest known location."""
        known = (*path, key) if key else path
        while known and known not in self.locations:
            known = known[:-1]
        return Problem(self.file, *self.locations.get(known, Location(1, 1)), dotted(path), what)


def read(
    text: str, file: str, environ: Mapping[str, str], stored: Stored | None = None
) -> tuple[Document, list[Problem]]:
    """Read YAML text into plain values, and fill in ``${NAME}`` and ``${NAME:-default}``.

    ``stored`` saves reading the text, if there is no problem. Also returns the problems of single
    values; each of these is ``INVALID`` in the document.

    Raises:
        ConfigError: the text is not YAML.
    """
    if stored and (known := stored.read(environ)):
        return Document(file, *known), []
    from fcplug.config import yaml_mistakes, yaml_strict  # noqa: PLC0415 - a built package needs no PyYAML

    try:
        values, locations, findings = yaml_strict.read(text, lambda value: filled(value, environ))
    except yaml_mistakes.UnreadableYamlError as error:
        raise ConfigError(_located(file, [error.finding])) from None
    return Document(file, values, locations), _located(file, findings)


def parse(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """Read YAML text as ``read`` does, and raise if it has any problem.

    Raises:
        ConfigError: the text has problems; it holds all of them with line and column.
    """
    document, problems = read(text, file, environ)
    if problems:
        raise ConfigError(problems)
    return document


def _located(file: str, findings: Sequence["Finding"]) -> list[Problem]:
    return [Problem(file, *location, dotted(path), what) for path, location, what in findings]
