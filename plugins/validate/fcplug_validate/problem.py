"""What does not fit: the places in a document, and what is wrong there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

_MOST_PROBLEMS = 3  # in one error
_MOST_CHARACTERS = 300  # of one problem


class Misfit(Exception):  # noqa: N818 - the middleware turns it into the error of a call
    """A document does not fit; the text says where and why."""


def misfit(name: str, problems: Iterable[tuple[Sequence[object], str]]) -> Misfit:
    """Return the error for problems, each a path in the document and what is wrong there."""
    found = iter(problems)
    texts = [f"{_dotted(path)}: {_shortened(what)}" for path, what in islice(found, _MOST_PROBLEMS)]
    more = ["and more"] if next(found, None) else []
    return Misfit(f"{name}: {'; '.join(texts + more)}")


def _dotted(path: Sequence[object]) -> str:
    return _shortened(".".join(map(str, path))) or "the whole"


def _shortened(text: str) -> str:
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
