"""Turns YAML text into plain values with PyYAML: strict, slow, with exact error messages.

It is stricter than YAML 1.1: no anchors, aliases, merge keys, tags or repeated keys, and no value
that YAML 1.1 and 1.2 read differently (``no``, ``010``, ``1:30``). It uses PyYAML's loader in
Python: the loader in C ends the process on deep nesting.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml

from fcplug.config.interpolation import LONE_SURROGATE
from fcplug.config.invalid import INVALID
from fcplug.config.location import Location, Path

MAX_DEPTH = 32  # levels of nesting
MAX_NODES = 100_000  # keys and values: some 10,000 functions; PyYAML takes 20 us or more for each
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})|0x[0-9A-Fa-f]{1,16}")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_NUMBER_ELSEWHERE = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|0o[0-7]+", re.ASCII)
_TEXT = "tag:yaml.org,2002:str"
_NUMBER_TRAP = "one number to some YAML readers, another or text to others"
_TRAPS = {
    "tag:yaml.org,2002:bool": "a truth value to some YAML readers (write true or false)",
    "tag:yaml.org,2002:int": _NUMBER_TRAP,
    "tag:yaml.org,2002:float": _NUMBER_TRAP,
    "tag:yaml.org,2002:timestamp": "a date to some YAML readers, text to others",
    "tag:yaml.org,2002:value": "a special value to some YAML readers, text to others",
    "tag:yaml.org,2002:merge": "a merge key to some YAML readers, text to others",
}
_INDENTATION = "this indentation fits none of the lines above"
_PLAIN_WORDS = {
    "mapping values are not allowed here": (
        "this ':' does not fit: correct the indentation, or write the value in quotes"
    ),
    "could not find expected ':'": "a ':' is missing after this key",
}

Fill = Callable[[str], tuple[str, list[str]]]


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


def read(text: str, fill: Fill) -> tuple[Any, dict[Path, Location], list[Finding]]:
    """Return the values of a text, their locations, and the mistakes in single values.

    ``fill`` returns a text with its variables filled in, and their problems. A wrong value is
    ``INVALID``.

    Raises:
        UnreadableYamlError: the text cannot be read as YAML.
    """
    builder = _Builder(fill)
    values = builder.build(_compose(text), ())
    return values, builder.locations, builder.findings


class _Loader(yaml.SafeLoader):
    """A loader that limits depth and size and allows no references, against YAML bombs."""

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _ForbiddenError("anchors and aliases are not allowed: write the value out", event)
        if self.depth == MAX_DEPTH:
            raise _ForbiddenError(f"nested more than {MAX_DEPTH} levels deep", event)
        if self.nodes == MAX_NODES:
            raise _ForbiddenError(f"more than {MAX_NODES} keys and values", event)
        self.nodes += 1
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        if node and getattr(event, "tag", None):
            node.tag = "!"  # no tag is allowed, even one that names the type that the value has
        self.depth -= 1
        return node


class _ForbiddenError(Exception):
    def __init__(self, what: str, event: yaml.Event) -> None:
        super().__init__(what)
        self.mark = event.start_mark


def _compose(text: str) -> yaml.Node | None:
    """Return the tree of nodes; every error of the loader becomes one finding."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"the character {chr(error.character)!r} is not allowed in YAML"
        raise UnreadableYamlError(Location(line, column), what) from None
    try:
        node: yaml.Node | None = loader.get_single_node()
    except _ForbiddenError as error:
        raise _unreadable(error.mark, str(error)) from None
    except yaml.MarkedYAMLError as error:
        raise _unreadable(
            error.problem_mark or error.context_mark, _in_words(error, text)
        ) from None
    except (ValueError, OverflowError):  # the digits of \U........ or %YAML, unchecked by PyYAML
        raise _unreadable(loader.get_mark(), "a number out of range") from None
    return node


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


def _unreadable(mark: Any, what: str) -> UnreadableYamlError:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return UnreadableYamlError(Location(line, column), what)


class _Builder:
    """Turns nodes into values; records every location and every problem."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self.locations: dict[Path, Location] = {}
        self.findings: list[Finding] = []

    def build(self, node: yaml.Node | None, path: Path) -> Any:
        if node is None:
            return None
        self.locations.setdefault(path, _location(node))
        if isinstance(node, yaml.MappingNode):
            self._plain_tag(node, path, "tag:yaml.org,2002:map")
            return self._mapping(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._plain_tag(node, path, "tag:yaml.org,2002:seq")
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            if key in values:
                first = self.locations[inner]
                self._problem(key_node, inner, f"key given twice (first on line {first.line})")
            else:
                self.locations[inner] = _location(key_node)
            values[key] = self.build(value_node, inner)
        return values

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        """Return a key as text, even if it needs quotes; None for a list or a mapping."""
        key = self._scalar(node, path, raw=True) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str) and key is not INVALID:
            self._problem(node, path, "a key must be text: put it in quotes")
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def _scalar(self, node: yaml.ScalarNode, path: Path, *, raw: bool = False) -> Any:
        """Return a scalar's value, ``INVALID`` if it has a problem."""
        findings = len(self.findings)
        value = self._value(node, path, raw=raw)
        return value if findings == len(self.findings) else INVALID

    def _value(self, node: yaml.ScalarNode, path: Path, *, raw: bool) -> Any:
        text: str = node.value
        if node.style is None:
            if node.tag in _TRAPS:
                return self._plain(node, path, text)
            if node.tag == "tag:yaml.org,2002:null":
                return None
            if node.tag == _TEXT and _NUMBER_ELSEWHERE.fullmatch(text):
                self._ambiguous(node, path, _NUMBER_TRAP)
                return None
        self._plain_tag(node, path, _TEXT)
        filled = text if raw else self._filled(node, path, text)
        if re.search(LONE_SURROGATE, filled):
            self._problem(node, path, "half a character (a lone surrogate), which UTF-8 lacks")
        return filled

    def _plain(self, node: yaml.Node, path: Path, text: str) -> Any:
        """Return the meaning of an unquoted scalar if every YAML reader agrees on it."""
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if _INTEGER.fullmatch(text):
            return int(text, 16 if "x" in text else 10)
        if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        self._ambiguous(node, path, _TRAPS[node.tag])
        return None

    def _ambiguous(self, node: yaml.Node, path: Path, kind: str) -> None:
        text = node.value
        self._problem(node, path, f"{text} is {kind}; if text is meant, put it in quotes: '{text}'")

    def _plain_tag(self, node: yaml.Node, path: Path, expected: str) -> None:
        if node.tag != expected:
            self._problem(node, path, "tags (!...) are not allowed: write a plain value")

    def _filled(self, node: yaml.Node, path: Path, text: str) -> str:
        filled, problems = self._fill(text)
        for what in problems:
            self._problem(node, path, what)
        return filled

    def _problem(self, node: yaml.Node, path: Path, what: str) -> None:
        self.findings.append(Finding(path, _location(node), what))


def _location(node: yaml.Node) -> Location:
    return Location(node.start_mark.line + 1, node.start_mark.column + 1)
