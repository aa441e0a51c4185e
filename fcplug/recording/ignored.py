"""What a comparison leaves out: places that a user names, such as ``$.time``."""

import re
from collections.abc import Iterable, Sequence

from fcplug.errors import FcplugError

Path = Sequence[str | int]

PLAIN = ("status", "errorType", "code")
_HEADER = "headers."
_STEP = re.compile(
    r"\.\.(?P<deep>[^.\[\]*']+)"
    r"|\.(?P<name>[^.\[\]*']+)"
    r"|(?P<any>\.\*|\[\*\])"
    r"|\[(?P<index>\d+)\]"
    r"|\['(?P<quoted>[^']*)'\]"
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class InvalidPath(FcplugError):  # noqa: N818 - it is the path that is invalid
    """A text names no place of an answer."""


class _Any:
    """A step to every member and item."""


class _Deep(str):
    """A step to a member of this name at any depth."""


_Step = str | int | _Deep | _Any


class Ignored:
    """The places that are left out, with all that is below them.

    ``$.time`` is a member of the body, ``$.items[0].id`` and ``$.items[*].id`` are members of one
    and of all items, ``$.*`` is every member, ``$..id`` a member at any depth, ``$['a b']`` one
    with an odd name, ``$`` the body; ``headers.etag`` is a header; ``status``, ``errorType`` and
    ``code`` are what they say.

    Raises:
        InvalidPath: a text is none of these.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._paths: list[Sequence[_Step]] = []
        for text in texts:
            if text in PLAIN:
                self._names.add(text)
            elif text.startswith(_HEADER):
                self._names.add(text.lower())
            else:
                self._paths.append(_parsed(text))

    def and_also(self, text: str) -> "Ignored":
        """Return what leaves out one more place of the body."""
        more = Ignored([text])
        more._names = self._names
        more._paths = [*self._paths, *more._paths]
        return more

    def name(self, name: str) -> bool:
        """Return whether the status, the error type, the code or a header is left out."""
        return name in self._names

    def path(self, path: Path) -> bool:
        """Return whether a place in the body is left out."""
        return any(_matches(steps, path) for steps in self._paths)


def shown(path: Path) -> str:
    """Return a place in the body as a text that ``Ignored`` reads."""
    text = "$"
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        else:
            text += f"['{step}']"
    return text


def _parsed(text: str) -> Sequence[_Step]:
    steps: list[_Step] = []
    at = 1
    while text.startswith("$") and at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            break
        at = match.end()
        if match["deep"]:
            steps.append(_Deep(match["deep"]))
        elif match["any"]:
            steps.append(_Any())
        elif match["index"]:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] or match["quoted"] or "")
    if not text.startswith("$") or at < len(text):
        raise InvalidPath(
            f"{text!r} names no place of an answer: write $.time, $.items[*].id, $..id, "
            "$['a b'], headers.etag, status, errorType or code"
        )
    return steps


def _matches(steps: Sequence[_Step], path: Path) -> bool:
    if not steps:
        return not path
    first, rest = steps[0], steps[1:]
    if isinstance(first, _Deep):
        return any(
            path[at] == str(first) and _matches(rest, path[at + 1 :]) for at in range(len(path))
        )
    if not path:
        return False
    return (isinstance(first, _Any) or path[0] == first) and _matches(rest, path[1:])
