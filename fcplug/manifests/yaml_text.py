"""Values as YAML with comments, laid out as a person would, and read alike by every reader."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fcplug.config.location import Path

_STEP = "  "
_WIDTH = 100  # columns that a list in brackets may take
_NO_NOTES: Mapping[Path, str] = {}

# plain texts that no version of YAML reads as anything else
_PLAIN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_./@%+=()$-]*([ :][A-Za-z0-9_./@%+=($-][A-Za-z0-9_./@%+=()$-]*)*"
    r"|\.{0,2}/[A-Za-z0-9_./@%+=$:-]*[A-Za-z0-9_./]"
    r"|\$\{[A-Za-z0-9_.]+\}|\$\{env\('[A-Za-z0-9_]+'\)\}"
    r"|[0-9]+\.[0-9]+\.[0-9]+|[0-9]+(m|Ki|Mi|Gi)|/"
)
_NOT_IN_BRACKETS = re.compile(r"[{}\[\],:]")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
# what may stand in a quoted text only as an escape
_UNSEEN = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_NOT_IN_BLOCK = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
)
_BLANK_LINE = re.compile(r"^[ \t]+$", re.MULTILINE)


class Notes(NamedTuple):
    """Comments by the path of the value that they are about.

    ``above`` is written on lines before it, where an empty line stays empty; ``beside`` on its own
    line.
    """

    above: Mapping[Path, str] = _NO_NOTES
    beside: Mapping[Path, str] = _NO_NOTES


_NOTHING = Notes()


def dump(value: Mapping[str, Any], notes: Notes = _NOTHING) -> str:
    """Return a mapping as YAML, in its own order.

    Raises:
        ValueError: a text has half a character (a lone surrogate), or a number is not finite.
    """
    return "".join(f"{line}\n" for line in _mapping(value, (), "", notes)) or "{}\n"


def comment(text: str, indent: str = "") -> Iterator[str]:
    """Yield the lines of a comment; an empty line of the text stays empty."""
    for line in text.split("\n"):
        yield f"{indent}# {_seen(line)}" if line else ""


def _seen(text: str) -> str:
    """Return a text on one line, as a comment can hold it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _mapping(values: Mapping[str, Any], path: Path, indent: str, notes: Notes) -> Iterator[str]:
    for key, value in values.items():
        inner = (*path, key)
        if above := notes.above.get(inner):
            yield from comment(above.removesuffix("\n"), indent)
        yield from _entry(f"{indent}{_scalar(key, brackets=True)}:", value, inner, notes)


def _entry(head: str, value: Any, path: Path, notes: Notes) -> Iterator[str]:
    """Yield the lines of a key and its value."""
    beside = notes.beside.get(path, "")
    end = f" # {_seen(beside)}" if beside else ""
    indent = head[: len(head) - len(head.lstrip())]
    if isinstance(value, str) and _fits_block(value):
        yield f"{head} {_block_head(value)}{end}"
        for line in value.removesuffix("\n").split("\n"):
            yield f"{indent}{_STEP}{line}" if line else ""
    elif (short := _short(value)) is not None:
        yield f"{head} {short}{end}"
    elif isinstance(value, Mapping):
        yield f"{head}{end}"
        yield from _mapping(value, path, f"{indent}{_STEP}", notes)
    else:
        yield f"{head}{end}"
        yield from _list(value, path, f"{indent}{_STEP}", notes)


def _list(values: Sequence[Any], path: Path, indent: str, notes: Notes) -> Iterator[str]:
    for index, value in enumerate(values):
        inner = (*path, index)
        if above := notes.above.get(inner):
            yield from comment(above.removesuffix("\n"), indent)
        short = _short(value)
        if short is not None:
            yield f"{indent}- {short}"
            continue
        if isinstance(value, Mapping):
            lines = _mapping(value, inner, f"{indent}{_STEP}", notes)
        else:
            lines = _list(value, inner, f"{indent}{_STEP}", notes)
        for number, line in enumerate(lines):
            yield f"{indent}- {line.lstrip(' ')}" if number == 0 else line


def _short(value: Any) -> str | None:
    """Return what stands on the line of its key, None if it needs lines of its own."""
    if isinstance(value, Mapping):
        return None if value else "{}"
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in value):
            return None
        text = f"[{', '.join(_scalar(item, brackets=True) for item in value)}]"
        return text if len(text) <= _WIDTH else None
    return _scalar(value)


def _scalar(value: Any, *, brackets: bool = False) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _text(value, brackets=brackets)
    number = json.dumps(value, allow_nan=False)
    return re.sub(r"^(-?[0-9]+)e", r"\1.0e", number)  # YAML 1.1 has no float without a point


def _text(text: str, *, brackets: bool) -> str:
    if (
        _PLAIN.fullmatch(text)
        and text.lower() not in _WORDS
        and not (brackets and _NOT_IN_BRACKETS.search(text))
    ):
        return text
    text.encode()  # half a character has no place in any file
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _fits_block(text: str) -> bool:
    """Return whether a text may stand as lines of its own, just as it is."""
    return (
        "\n" in text.rstrip("\n")
        and not _NOT_IN_BLOCK.search(text)
        and not _BLANK_LINE.search(text)
        and text[0] not in "\n\t"
    )


def _block_head(text: str) -> str:
    first = str(len(_STEP)) if text.startswith(" ") else ""
    last = "+" if text.endswith("\n\n") else "" if text.endswith("\n") else "-"
    return f"|{first}{last}"
