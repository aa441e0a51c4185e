"""The lines of a YAML file without the values that are secret, by the names of their keys."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from fcplug.console.content import HIDDEN

_KEY = re.compile(
    r".*(?:passw(?:or)?d|secret|token|credential|(?:api|access|private)[_-]?key).*|auth",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"""(?P<key>[\w.'"-]+\s*:\s+)(?P<value>[^\s#].*)""")
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_DEEPEST = 100


class _Span(NamedTuple):
    """Where a value stands; lines and columns count from 0, and the end is behind it."""

    line: int
    column: int
    end_line: int
    end_column: int


def lines_of(text: str) -> Sequence[str]:
    """Return the lines of a file. Values of ``${NAME}`` are no secrets: they stay."""
    lines = text.splitlines()
    try:
        spans = list(_secrets(yaml.compose(text, Loader=yaml.SafeLoader), secret=False, depth=0))
    except (yaml.YAMLError, ValueError, RecursionError):
        return [_without_value(line) for line in lines]  # it is wrong somewhere: line by line
    for span in reversed(spans):
        _hide(lines, span)
    return lines


def _secrets(node: Any, *, secret: bool, depth: int) -> Iterator[_Span]:
    """Yield the scalars below secret keys, in their order."""
    if depth > _DEEPEST or node is None:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            named = isinstance(key, yaml.ScalarNode) and _KEY.fullmatch(key.value)
            yield from _secrets(value, secret=secret or bool(named), depth=depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _secrets(item, secret=secret, depth=depth + 1)
    elif secret and node.value and not _VARIABLE.fullmatch(node.value):
        start, end = node.start_mark, node.end_mark
        yield _Span(start.line, start.column, end.line, end.column)


def _hide(lines: list[str], span: _Span) -> None:
    first = lines[span.line]
    if span.end_line == span.line:
        lines[span.line] = first[: span.column] + HIDDEN + first[span.end_column :]
        return
    lines[span.line] = first[: span.column] + HIDDEN
    for number in range(span.line + 1, min(span.end_line + 1, len(lines))):
        line = lines[number]
        if number == span.end_line:
            lines[number] = f"{HIDDEN}{line[span.end_column :]}" if span.end_column else line
        elif line.strip():
            lines[number] = line[: len(line) - len(line.lstrip())] + HIDDEN


def _without_value(line: str) -> str:
    found = _PLAIN.search(line)
    if found and _KEY.fullmatch(found["key"].rstrip().rstrip(":").strip(" '\"-")):
        if _VARIABLE.fullmatch(found["value"].strip()):
            return line
        return f"{line[: found.start('value')]}{HIDDEN}"
    inner = re.search(r"[{,\-]\s*['\"]?[\w.-]*(?:passw|secret|token|key)", line, re.IGNORECASE)
    return f"{line[: inner.end()]} {HIDDEN}" if inner and ":" in line[inner.end() :] else line
