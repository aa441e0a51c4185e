"""Sample events of every kind, as FC's documentation shows them; some of their values can be set.

Each kind is one file here. Its ``event`` is the event, in which ``{bucket}`` stands for the value
of the parameter ``bucket``; its ``parameters`` are the values where no others are given.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fcplug import events
from fcplug.errors import did_you_mean, listing
from fcplug.events.kinds import TYPES

_PLACEHOLDER = re.compile(r"\{(\w+)(\|quoted)?\}")


def event(kind: str, **parameters: Any) -> bytes:
    """Return a sample event of a kind, with the values of some of its ``parameters`` replaced.

    A Tablestore event is CBOR and needs ``fcplug[tablestore]``. An event of an MNS topic in the
    format STREAM is the message's text alone if ``attrs`` is empty.

    Raises:
        ValueError: there is no such kind, or no such parameter.
    """
    sample = _read(kind)
    defaults = sample["parameters"]
    for name in parameters:
        if name not in defaults:
            raise ValueError(
                f"the sample event '{kind}' has no parameter '{name}'"
                f"{did_you_mean(name, defaults)}; it has: {listing(defaults)}"
            )
    document = _filled(sample["event"], {**defaults, **parameters})
    if kind == "tablestore":
        from cbor2 import dumps  # an extra  # noqa: PLC0415

        encoded: bytes = dumps(document)
        return encoded
    if kind == "mns-stream" and not document["attrs"]:
        return str(document["body"]).encode()
    return json.dumps(document, ensure_ascii=False).encode()


def parameters(kind: str) -> dict[str, Any]:
    """Return the parameters of a kind's sample with their values.

    Raises:
        ValueError: there is no such kind.
    """
    return dict(_read(kind)["parameters"])


def type_of(kind: str) -> Any:
    """Return the type that events of a kind are decoded into.

    Raises:
        ValueError: there is no such kind.
        ImportError: the type needs a library that is not installed.
    """
    _check(kind)
    name, _, of = TYPES[kind].partition("[")
    found = getattr(events, name)
    return found[getattr(events, of[:-1])] if of else found


def _check(kind: str) -> None:
    if kind not in TYPES:
        raise ValueError(
            f"there is no sample event '{kind}'{did_you_mean(kind, TYPES)}; "
            f"there are: {listing(TYPES)}"
        )


def _read(kind: str) -> dict[str, Any]:
    _check(kind)
    sample: dict[str, Any] = json.loads((Path(__file__).parent / f"{kind}.json").read_bytes())
    return sample


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    """Return a part of an event with its placeholders replaced.

    A text that is a placeholder and nothing else becomes the value, of whatever type it is.
    """
    if isinstance(node, dict):
        return {key: _filled(item, values) for key, item in node.items()}
    if isinstance(node, list):
        return [_filled(item, values) for item in node]
    if not isinstance(node, str):
        return node
    whole = _PLACEHOLDER.fullmatch(node)
    if whole and not whole[2]:
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda found: _text(values[found[1]], quoted=bool(found[2])), node)


def _text(value: Any, *, quoted: bool) -> str:
    return quote(str(value), safe="/*") if quoted else str(value)
