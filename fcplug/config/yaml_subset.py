"""A quick reader for the common part of YAML; PyYAML needs about twenty times as long.

It reads block mappings, lists and mappings in brackets on one line, plain and quoted text, numbers,
true and false. Everything else, mistakes included, falls back to ``yaml_strict``. Fuzzing proves
that both readers agree on each text that this one reads.

It saves the import of PyYAML and its parser: 12 to 25 ms of a start, and 1,000 functions take 11 ms
instead of 270. The lists and mappings in brackets are part of it, because nearly every file has
one, such as ``middleware: [audit]``, and a single one sends the whole file to PyYAML.
"""

import re
from collections.abc import Callable
from typing import Any

from fcplug.config.location import Location, Path

_MAX_DEPTH = 12  # levels of lines, and the same number of levels of brackets
_MAX_LOCATIONS = 40_000  # one for each key and value

# a key: timeout, img-resize, x.y/z
_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,127}"
# a value that is one word: hello, index.handle, /opt/data
_WORD = r"[A-Za-z_/][A-Za-z0-9_./-]*"
# a whole number: 0, 60; not 010, which YAML 1.1 reads as octal
_WHOLE = r"(?:0|[1-9][0-9]{0,17})"
# a line. Empty or a comment, else the groups are: indent, key, word, whole number, other value
#   "    timeout: 60"        -> "    ", "timeout", None, "60", None
#   "  f: {handler: a:b} #"  -> "  ", "f", None, None, "{handler: a:b} #"
#   "functions: # ours"      -> "", "functions", None, None, None
_LINE = re.compile(rf" *(?:#.*)?|( *)({_KEY}):(?: +(?:({_WORD})|({_WHOLE})|([^ #].*)|#.*))? *")

# The patterns below are compiled when first used: many files have none of these values.
# text after a key, up to a comment: greeter:handle, Good morning, ${NAME}
_PLAIN = r"(?:[^\W\d]|[/$])(?:[^ :#]|:(?=[^ #])| +(?=[^ #]))*"
# text inside brackets, where a comma or a bracket ends it: audit, a:b, two words
_PLAIN_IN_BRACKETS = r"(?:[^\W\d]|/)(?:[\w./@%+=-]|:(?=\w)| +(?=\w))*"
# a number that ends here: 3, 1.5; not 3d, 1e3 or 1.
_NUMBER = rf"{_WHOLE}(?:\.[0-9]{{1,17}})?(?![^ ,\]}}])"
# quoted text without an escape: 'one', "a: b"; not 'it''s', "\n"
_QUOTED = r"""'[^']*'|"[^"\\]*\""""
# a key inside braces: "width: " of {width: 320}
_KEY_IN_BRACES = rf"({_KEY}): +"
# the end of a line after a value: nothing, spaces or " # a comment"
_LINE_END = r"(?: *| +#.*)\Z"

# YAML 1.1 and 1.2 read these words differently, except for true and false in small letters
_WORDS_WITH_MEANING = {"yes", "no", "on", "off", "true", "false", "null"}
_TRUTH = {"true": True, "false": False}

Fill = Callable[[str], str | None]


class _NotInSubsetError(Exception):
    """The text holds something that this module does not read."""


def read(text: str, fill: Fill) -> tuple[dict[str, Any], dict[Path, Location]] | None:
    """Return a text's values and their locations, None outside the subset.

    ``fill`` returns a text with its variables filled in, or None if one of them is wrong.
    """
    if not text.replace("\n", "").isprintable():
        return None
    reader = _BlockReader(fill)
    try:
        for row, line in enumerate(text.split("\n"), 1):
            reader.take(line, row)
    except _NotInSubsetError:
        return None
    if not reader.locations or len(reader.locations) > _MAX_LOCATIONS:
        return None
    return reader.values, reader.locations


class _BlockReader:
    """Reads the lines one by one; keeps the mappings that enclose the next line.

    ``_mapping`` is the innermost of them, at ``_path``, with its keys indented by ``_indent``.
    """

    def __init__(self, fill: Fill) -> None:
        self.values: dict[str, Any] = {}
        self.locations: dict[Path, Location] = {}
        self._value_reader = _ValueReader(fill, self.locations)
        self._mapping = self.values
        self._path: Path = ()
        self._indent = -1
        self._outer: list[tuple[int, Path, dict[str, Any]]] = []
        self._empty: str | None = None  # the key on the last line, if it had no value

    def take(self, line: str, row: int) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise _NotInSubsetError
        spaces, key, word, number, other = match.groups()
        if key is None:
            return
        if len(spaces) != self._indent:
            self._change_level(len(spaces), row)
        if key in self._mapping or key.lower() in _WORDS_WITH_MEANING:
            raise _NotInSubsetError
        path = (*self._path, key)
        self.locations[path] = Location(row, self._indent + 1)
        self._empty = None
        if word is not None:
            self._mapping[key] = _word(word)
        elif number is not None:
            self._mapping[key] = int(number)
        elif other is not None:
            self._mapping[key] = self._value_reader.read(line, match.start(5), row, path)
        else:
            self._mapping[key], self._empty = None, key

    def _change_level(self, indent: int, row: int) -> None:
        """Enter the mapping that a line begins, or leave mappings until its indent fits."""
        if self._indent < 0:
            self.locations[()] = Location(row, indent + 1)
            self._indent = indent
            return
        if indent > self._indent:
            if self._empty is None or len(self._outer) == _MAX_DEPTH:
                raise _NotInSubsetError
            self._outer.append((self._indent, self._path, self._mapping))
            inner: dict[str, Any] = {}
            self._mapping[self._empty] = inner
            self._indent, self._path, self._mapping = indent, (*self._path, self._empty), inner
        while indent < self._indent:
            if not self._outer:
                raise _NotInSubsetError
            self._indent, self._path, self._mapping = self._outer.pop()
        if indent != self._indent:
            raise _NotInSubsetError


class _ValueReader:
    """Reads the value after a key, to the end of its line; ``_at`` is the cursor in the line."""

    def __init__(self, fill: Fill, locations: dict[Path, Location]) -> None:
        self._fill = fill
        self._locations = locations
        self._line = ""
        self._row = self._at = 0

    def read(self, line: str, at: int, row: int, path: Path) -> Any:
        self._line, self._at, self._row = line, at, row
        value = self._in_brackets(path) if line[at] in "[{" else self._scalar(_PLAIN)
        self._match(_LINE_END)
        return value

    def _in_brackets(self, path: Path) -> Any:
        """Read a list, a mapping, or a scalar inside one of them."""
        if len(path) > 2 * _MAX_DEPTH:
            raise _NotInSubsetError
        if self._take("["):
            return self._list(path)
        if self._take("{"):
            return self._mapping(path)
        return self._scalar(_PLAIN_IN_BRACKETS)

    def _list(self, path: Path) -> list[Any]:
        items: list[Any] = []
        if self._take("]"):
            return items
        while True:
            inner = (*path, len(items))
            self._locations[inner] = Location(self._row, self._at + 1)
            items.append(self._in_brackets(inner))
            if self._take("]"):
                return items
            self._expect(",")

    def _mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self._take("}"):
            return values
        while True:
            location = Location(self._row, self._at + 1)
            key = self._match(_KEY_IN_BRACES)[1]
            if key in values or key.lower() in _WORDS_WITH_MEANING:
                raise _NotInSubsetError
            inner = (*path, key)
            self._locations[inner] = location
            values[key] = self._in_brackets(inner)
            if self._take("}"):
                return values
            self._expect(",")

    def _scalar(self, plain: str) -> Any:
        first = self._line[self._at : self._at + 1]
        if "0" <= first <= "9":
            number = self._match(_NUMBER)[0]
            return float(number) if "." in number else int(number)
        if first in ("'", '"'):
            return self._filled(self._match(_QUOTED)[0][1:-1])
        text = self._match(plain)[0]
        return self._filled(text) if "$" in text else _word(text)

    def _filled(self, text: str) -> str:
        filled = self._fill(text) if "$" in text else text
        if filled is None:
            raise _NotInSubsetError
        return filled

    def _match(self, pattern: str) -> re.Match[str]:
        match = re.compile(pattern).match(self._line, self._at)
        if match is None:
            raise _NotInSubsetError
        self._at = match.end()
        return match

    def _take(self, character: str) -> bool:
        """Return whether a character comes next, and move behind it and the spaces around it."""
        at = self._after_spaces(self._at)
        if self._line[at : at + 1] != character:
            return False
        self._at = self._after_spaces(at + 1) if character in "[{," else at + 1
        return True

    def _expect(self, character: str) -> None:
        if not self._take(character):
            raise _NotInSubsetError

    def _after_spaces(self, at: int) -> int:
        while self._line[at : at + 1] == " ":
            at += 1
        return at


def _word(word: str) -> str | bool:
    """Return what plain text stands for: itself, or a truth value."""
    if word.lower() not in _WORDS_WITH_MEANING:
        return word
    if word not in _TRUTH:
        raise _NotInSubsetError
    return _TRUTH[word]
