"""The everyday part of YAML, read without PyYAML, which takes fifty times as long.

Block mappings; lists and mappings in brackets on one line; plain and quoted texts, numbers, true
and false. What is not certainly one of these is left to ``strictyaml``, and so is every mistake.
"""

import re
from collections.abc import Callable
from typing import Any

from fcplug.config.location import Path, Place

_DEEPEST = 12  # levels of lines, and as many of brackets
_MOST_PLACES = 40_000  # of at most two keys and values each

_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,127}"
_WORD = r"[A-Za-z_/][A-Za-z0-9_./-]*"
_WHOLE = r"(?:0|[1-9][0-9]{0,17})"
_LINE = re.compile(rf" *(?:#.*)?|( *)({_KEY}):(?: +(?:({_WORD})|({_WHOLE})|([^ #].*)|#.*))? *")
# compiled when first met: many files have none of these
_PLAIN = r"(?:[^\W\d]|[/$])(?:[^ :#]|:(?=[^ #])| +(?=[^ #]))*"
_IN_BRACKETS = r"(?:[^\W\d]|/)(?:[\w./@%+=-]|:(?=\w)| +(?=\w))*"
_NUMBER = rf"{_WHOLE}(?:\.[0-9]{{1,17}})?(?![^ ,\]}}])"
_QUOTED = r"""'[^']*'|"[^"\\]*\""""
_BRACKET_KEY = rf"({_KEY}): +"
_REST = r"(?: *| +#.*)\Z"

# what words may mean to one YAML reader or the other; written like this they mean it to all
_WORDS = {"yes", "no", "on", "off", "true", "false", "null"}
_TRUTH = {"true": True, "false": False}

Fill = Callable[[str], str | None]


class _NotHereError(Exception):
    """The text holds something that this module does not read."""


def read(text: str, fill: Fill) -> tuple[dict[str, Any], dict[Path, Place]] | None:
    """Return the values of a text and the place of each, None if it is not of the everyday kind.

    ``fill`` returns a text with its variables filled in, None if that cannot be.
    """
    if not text.replace("\n", "").isprintable():
        return None
    outline = _Outline(fill)
    try:
        for row, line in enumerate(text.split("\n"), 1):
            outline.take(line, row)
    except _NotHereError:
        return None
    if not outline.places or len(outline.places) > _MOST_PLACES:
        return None
    return outline.values, outline.places


class _Outline:
    """The mappings that the lines so far have opened, the innermost at hand."""

    def __init__(self, fill: Fill) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[Path, Place] = {}
        self._fill = fill
        self._mapping = self.values
        self._path: Path = ()
        self._indent = -1
        self._outer: list[tuple[int, Path, dict[str, Any]]] = []
        self._empty: str | None = None  # the key just read, if nothing stands behind it

    def take(self, line: str, row: int) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise _NotHereError
        spaces, key, word, number, rest = match.groups()
        if key is None:
            return
        if len(spaces) != self._indent:
            self._move(len(spaces), row)
        if key in self._mapping or key.lower() in _WORDS:
            raise _NotHereError
        way = (*self._path, key)
        self.places[way] = Place(row, self._indent + 1)
        self._empty = None
        if word is not None:
            self._mapping[key] = _meaning(word)
        elif number is not None:
            self._mapping[key] = int(number)
        elif rest is not None:
            self._mapping[key] = self._value(line, match.start(5), row, way)
        else:
            self._mapping[key], self._empty = None, key

    def _move(self, indent: int, row: int) -> None:
        """Go into the mapping that a line begins, or out to the one that it goes on with."""
        if self._indent < 0:
            self.places[()] = Place(row, indent + 1)
            self._indent = indent
            return
        if indent > self._indent:
            if self._empty is None or len(self._outer) == _DEEPEST:
                raise _NotHereError
            self._outer.append((self._indent, self._path, self._mapping))
            inner: dict[str, Any] = {}
            self._mapping[self._empty] = inner
            self._indent, self._path, self._mapping = indent, (*self._path, self._empty), inner
        while indent < self._indent:
            if not self._outer:
                raise _NotHereError
            self._indent, self._path, self._mapping = self._outer.pop()
        if indent != self._indent:
            raise _NotHereError

    def _value(self, line: str, at: int, row: int, way: Path) -> Any:
        """Return what stands behind a key, to the end of its line."""
        if line[at] in "[{":
            value, end = self._bracketed(line, at, row, way)
        else:
            value, end = self._scalar(line, at, _PLAIN)
        if not _match(_REST, line, end):
            raise _NotHereError
        return value

    def _bracketed(self, line: str, at: int, row: int, way: Path) -> tuple[Any, int]:
        """Return what stands at a place between brackets, and where it ends."""
        opening = line[at : at + 1]
        if opening not in ("[", "{"):
            return self._scalar(line, at, _IN_BRACKETS)
        if len(way) > 2 * _DEEPEST:
            raise _NotHereError
        closing = "]" if opening == "[" else "}"
        items: dict[str | int, Any] = {}
        at = _behind_spaces(line, at + 1)
        while line[at : at + 1] != closing or items:
            key: str | int = len(items)
            start = at
            if opening == "{":
                match = _match(_BRACKET_KEY, line, at)
                if match is None or match[1] in items or match[1].lower() in _WORDS:
                    raise _NotHereError
                key, at = match[1], match.end()
            inner = (*way, key)
            self.places[inner] = Place(row, start + 1)
            items[key], at = self._bracketed(line, at, row, inner)
            at = _behind_spaces(line, at)
            if line[at : at + 1] == closing:
                break
            if line[at : at + 1] != ",":
                raise _NotHereError
            at = _behind_spaces(line, at + 1)
        return (list(items.values()) if opening == "[" else items), at + 1

    def _scalar(self, line: str, at: int, plain: str) -> tuple[Any, int]:
        begun = line[at : at + 1]
        quoted, counts = begun in ("'", '"'), "0" <= begun <= "9"
        match = _match(_QUOTED if quoted else _NUMBER if counts else plain, line, at)
        if match is None:
            raise _NotHereError
        text, end = match[0], match.end()
        if counts:
            return (float(text) if "." in text else int(text)), end
        if quoted:
            return self._filled(text[1:-1]), end
        return (self._filled(text) if "$" in text else _meaning(text)), end

    def _filled(self, text: str) -> str:
        filled = self._fill(text) if "$" in text else text
        if filled is None:
            raise _NotHereError
        return filled


def _meaning(word: str) -> str | bool:
    """Return what a plain word stands for: itself, or a truth value."""
    if word.lower() not in _WORDS:
        return word
    if word not in _TRUTH:
        raise _NotHereError
    return _TRUTH[word]


def _match(pattern: str, line: str, at: int) -> re.Match[str] | None:
    return re.compile(pattern).match(line, at)


def _behind_spaces(line: str, at: int) -> int:
    while line[at : at + 1] == " ":
        at += 1
    return at
