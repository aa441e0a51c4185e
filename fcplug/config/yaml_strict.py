"""Turns YAML text into plain values with PyYAML: strict, bounded, with exact error messages.

It is stricter than YAML 1.1: no anchors, aliases, merge keys, tags or repeated keys, and no value
that YAML 1.1 and 1.2 read differently (``no``, ``010``, ``1:30``).

PyYAML has two parsers: one in C (libyaml), and one in Python that takes thirty times as long. Both
yield events, and ``_Builder`` makes values of them. The parser in C is trusted with the texts that
both read alike, as long as there is no mistake. All others are read by the one in Python, whose
messages say more. It also serves where PyYAML was installed without libyaml. The composer in C,
which ends the process on 50 kB of ``[``, is not used.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import yaml

from fcplug.config import yaml_mistakes
from fcplug.config.interpolation import LONE_SURROGATE
from fcplug.config.invalid import INVALID
from fcplug.config.location import Location, Path
from fcplug.config.yaml_mistakes import Finding, UnreadableYamlError

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was installed without libyaml
    HAS_C_PARSER = False
else:
    HAS_C_PARSER = True

MAX_DEPTH = 32  # levels of nesting
MAX_NODES = 100_000  # keys and values: some 10,000 functions; Python's parser takes 20 us for each
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})|0x[0-9A-Fa-f]{1,16}")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_NUMBER_ELSEWHERE = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|0o[0-7]+", re.ASCII)
_NULL = "tag:yaml.org,2002:null"
_TEXT = "tag:yaml.org,2002:str"
_RULES = yaml.resolver.Resolver.yaml_implicit_resolvers  # by first character
_NUMBER_TRAP = "one number to some YAML readers, another or text to others"
_TRAPS = {
    _TEXT: _NUMBER_TRAP,
    "tag:yaml.org,2002:bool": "a truth value to some YAML readers (write true or false)",
    "tag:yaml.org,2002:int": _NUMBER_TRAP,
    "tag:yaml.org,2002:float": _NUMBER_TRAP,
    "tag:yaml.org,2002:timestamp": "a date to some YAML readers, text to others",
    "tag:yaml.org,2002:value": "a special value to some YAML readers, text to others",
    "tag:yaml.org,2002:merge": "a merge key to some YAML readers, text to others",
}

Fill = Callable[[str], tuple[str, list[str]]]
NextEvent = Callable[[], Any]


def read(text: str, fill: Fill) -> tuple[Any, dict[Path, Location], list[Finding]]:
    """Return the values of a text, their locations, and the mistakes in single values.

    ``fill`` returns a text with its variables filled in, and their problems. A wrong value is
    ``INVALID``.

    Raises:
        UnreadableYamlError: the text cannot be read as YAML.
    """
    lines = text.replace("\r\n", "\n")
    if HAS_C_PARSER and _suits_c(lines):
        builder = _Builder(CParser(lines).get_event, fill)
        try:
            values = builder.document()
        except (yaml.YAMLError, UnreadableYamlError):
            pass
        else:
            if isinstance(values, dict) and not builder.findings and not builder.doubtful:
                return values, builder.locations, []
    return read_with_python(text, fill)


def _suits_c(text: str) -> bool:
    """Return whether a text has none of the signs that the two parsers read differently.

    These are tabs, other line ends, characters that are not printed, and a comment next to ``|``.
    """
    return text.replace("\n", "").isprintable() and not (
        "#" in text and re.search(r"[|>][-+0-9]*#", text)
    )


def read_with_python(text: str, fill: Fill) -> tuple[Any, dict[Path, Location], list[Finding]]:
    """Do what ``read`` does, always with PyYAML's parser in Python."""
    try:
        parser = _Parser(text)
    except yaml.reader.ReaderError as error:
        raise yaml_mistakes.of_character(error, text) from None
    builder = _Builder(parser.get_event, fill)
    try:
        values = builder.document()
    except yaml.MarkedYAMLError as error:
        raise yaml_mistakes.of_syntax(error, text) from None
    except (ValueError, OverflowError):  # the digits of \U........ or %YAML, unchecked by PyYAML
        raise yaml_mistakes.at(parser.get_mark(), "a number out of range") from None
    return values, builder.locations, builder.findings


class _Parser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser in Python."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


class _Builder:
    """Turns events into values; records every location and every problem.

    It limits depth and size and allows no references, against YAML bombs.

    Attributes:
        doubtful: whether the parsers differ about a value: a ``?`` in brackets, without quotes.
    """

    def __init__(self, next_event: NextEvent, fill: Fill) -> None:
        self._next = next_event
        self._fill = fill
        self._depth = self._nodes = self._brackets = 0
        self.doubtful = False
        self.locations: dict[Path, Location] = {}
        self.findings: list[Finding] = []

    def document(self) -> Any:
        """Return the value of the only document, None if there is none.

        Raises:
            UnreadableYamlError: it has references, is too large, or another document follows.
            yaml.YAMLError: it is not YAML.
        """
        self._next()  # the begin of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        event = self._next()
        self.locations[()] = _location(event)
        value = self._value(event, ())
        self._next()  # the end of the document
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            what = "expected a single document in the stream, but found another document"
            raise yaml_mistakes.at(event.start_mark, what)
        return value

    def _value(self, event: Any, path: Path) -> Any:
        """Return the value that an event begins."""
        self._count(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if event.tag:
            self._tagged(event, path)
        self._depth += 1
        self._brackets += bool(event.flow_style)
        value = (
            self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._list(path)
        )
        self._brackets -= bool(event.flow_style)
        self._depth -= 1
        return value

    def _count(self, event: Any) -> None:
        """Check what no value may have or exceed."""
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            what = "anchors and aliases are not allowed: write the value out"
        elif self._depth == MAX_DEPTH:
            what = f"nested more than {MAX_DEPTH} levels deep"
        elif self._nodes == MAX_NODES:
            what = f"more than {MAX_NODES} keys and values"
        else:
            self._nodes += 1
            return
        raise yaml_mistakes.at(event.start_mark, what)

    def _list(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            inner = (*path, len(values))
            self.locations.setdefault(inner, _location(event))
            values.append(self._value(event, inner))
        return values

    def _mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._skip(event)
                self._problem(event, path, "a key must be text: put it in quotes")
                self._skip(self._next())
                continue
            self._count(event)
            key = self._key(event, path)
            inner = (*path, key)
            if key in values:
                first = self.locations[inner]
                self._problem(event, inner, f"key given twice (first on line {first.line})")
            else:
                self.locations[inner] = _location(event)
            values[key] = self._value(self._next(), inner)
        return values

    def _skip(self, event: Any) -> None:
        """Pass a value of which nothing is used; its limits count."""
        self._count(event)
        if isinstance(event, yaml.ScalarEvent):
            return
        self._depth += 1
        while not isinstance(inner := self._next(), yaml.CollectionEndEvent):
            self._skip(inner)
        self._depth -= 1

    def _key(self, event: Any, path: Path) -> str:
        """Return a key as text, even if it needs quotes."""
        key = self._scalar(event, path, raw=True)
        if not isinstance(key, str) and key is not INVALID:
            self._problem(event, path, "a key must be text: put it in quotes")
        return str(event.value)

    def _scalar(self, event: Any, path: Path, *, raw: bool = False) -> Any:
        """Return a scalar's value, ``INVALID`` if it has a problem."""
        findings = len(self.findings)
        value = self._meaning(event, path, raw=raw)
        return value if findings == len(self.findings) else INVALID

    def _meaning(self, event: Any, path: Path, *, raw: bool) -> Any:
        text: str = event.value
        if event.tag:
            self._tagged(event, path)
        elif not event.style:
            self.doubtful |= "?" in text and self._brackets > 0
            if tag := _tag(text):
                return None if tag == _NULL else self._plain(event, path, tag)
        filled = text if raw else self._filled(event, path, text)
        if not filled.isascii() and re.search(LONE_SURROGATE, filled):
            self._problem(event, path, "half a character (a lone surrogate), which UTF-8 lacks")
        return filled

    def _plain(self, event: Any, path: Path, tag: str) -> Any:
        """Return the meaning of an unquoted scalar if every YAML reader agrees on it."""
        text = event.value
        if tag != _TEXT:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            if _INTEGER.fullmatch(text):
                return int(text, 16 if "x" in text else 10)
            if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
                return float(text)
        kind = _TRAPS[tag]
        what = f"{text} is {kind}; if text is meant, put it in quotes: '{text}'"
        self._problem(event, path, what)
        return None

    def _tagged(self, event: Any, path: Path) -> None:
        """Report a tag: none is allowed, even one that names the type that the value has."""
        self._problem(event, path, "tags (!...) are not allowed: write a plain value")

    def _filled(self, event: Any, path: Path, text: str) -> str:
        filled, problems = self._fill(text)
        for what in problems:
            self._problem(event, path, what)
        return filled

    def _problem(self, event: Any, path: Path, what: str) -> None:
        self.findings.append(Finding(path, _location(event), what))


def _tag(text: str) -> str:
    """Return the tag that YAML 1.1 gives an unquoted scalar, empty for text.

    Text that readers of YAML 1.2 take for a number has the tag ``_TEXT``.
    """
    rules = _RULES.get(text[:1])
    if rules is None:  # no number begins like this
        return ""
    for tag, pattern in rules:
        if pattern.match(text):
            return str(tag)
    return _TEXT if _NUMBER_ELSEWHERE.fullmatch(text) else ""


def _location(event: Any) -> Location:
    mark = event.start_mark
    return Location(mark.line + 1, mark.column + 1)
