"""The mistakes in YAML text, in words for people."""

from typing import Any, NamedTuple

import yaml

from fcplug.config.location import Location, Path

_INDENTATION = "this indentation fits none of the lines above"
_PLAIN_WORDS = {
    "mapping values are not allowed here": (
        "this ':' does not fit: correct the indentation, or write the value in quotes"
    ),
    "could not find expected ':'": "a ':' is missing after this key",
}


class Finding(NamedTuple):
    """One mistake in the text."""

    path: Path
    location: Location
    what: str


class UnreadableYamlError(Exception):
    """The text is not YAML, or breaks a rule that makes all of it unusable."""

    def __init__(self, location: Location, what: str) -> None:
        super().__init__(what)
        self.finding = Finding((), location, what)


def of_character(error: yaml.reader.ReaderError, text: str) -> UnreadableYamlError:
    """Return the error for a character that YAML does not allow."""
    before = text[: error.position]
    location = Location(before.count("\n") + 1, len(before) - before.rfind("\n"))
    what = f"the character {chr(error.character)!r} is not allowed in YAML"
    return UnreadableYamlError(location, what)


def of_syntax(error: yaml.MarkedYAMLError, text: str) -> UnreadableYamlError:
    """Return the error for text that PyYAML's parser in Python rejects."""
    return at(error.problem_mark or error.context_mark, _in_words(error, text))


def at(mark: Any, what: str) -> UnreadableYamlError:
    """Return an error at a mark of PyYAML, which counts from 0; at the beginning without one."""
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return UnreadableYamlError(Location(line, column), what)


def _in_words(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return PyYAML's message, in clearer words for common causes."""
    if mark := error.problem_mark:
        before = text[: mark.index]
        if before.endswith("$"):
            return "${...} inside {...} or [...] must stand in quotes"
        if text[mark.index : mark.index + 1] == "\t":
            indents = not before.rpartition("\n")[2].strip()
            return "a tab: indent with spaces" if indents else "a tab: write spaces instead"
        if plain := _plain_words(error, text[mark.index : mark.index + 1], before):
            return plain
    return f"{error.context}, {error.problem}" if error.context else str(error.problem)


def _plain_words(error: yaml.MarkedYAMLError, found: str, before: str) -> str:
    """Return what to correct, for the mistakes that people make most; else an empty text."""
    problem = error.problem or ""
    begun = error.context_mark.line + 1 if error.context_mark else 1
    if problem.startswith(("expected ',' or '}'", "expected ',' or ']'")):
        return _bracket_words(problem, begun)
    if problem.startswith("expected <block end>"):
        indents = not before.rpartition("\n")[2].strip(" ")
        return _INDENTATION if indents else f"the character {found!r} does not fit here"
    if "end of stream" in problem and error.context == "while scanning a quoted scalar":
        return f"the quotes that begin on line {begun} are not closed"
    if "cannot start any token" in problem:
        return f"a value that begins with {found!r} must stand in quotes"
    return _PLAIN_WORDS.get(problem, "")


def _bracket_words(problem: str, begun: int) -> str:
    closing = problem[len("expected ',' or '")]
    opening = "{" if closing == "}" else "["
    if "<stream end>" in problem:
        return f"the '{opening}' of line {begun} is not closed: add a '{closing}'"
    return f"a ',' or '{closing}' is missing here, for the '{opening}' of line {begun}"
