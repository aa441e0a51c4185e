"""Events, answers and logs as a page can show them: bounded, and harmless."""

import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from fcplug import protocol

MOST = 64 * 1024  # bytes that a page shows of one content
_MOST_JSON = 256 * 1024  # bytes of JSON that is laid out
_MOST_BYTES = 512  # bytes of what is no text
_ROW = 16

_IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
"""The kinds of picture that browsers draw without running anything, and how each begins."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SECRET_HEADERS = {
    "authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key",
    *protocol.CREDENTIAL_HEADERS,
}  # fmt: skip
HIDDEN = "•••"

Kind = Literal["empty", "json", "text", "image", "bytes"]


class Content(NamedTuple):
    """Some bytes as a page shows them; ``note`` says what is left out."""

    kind: Kind
    text: str
    size: int
    note: str = ""


def of_bytes(data: bytes) -> Content:
    """Return an event or an answer: JSON laid out, text, a picture, or the first bytes."""
    if not data:
        return Content("empty", "", 0)
    if image_type(data):
        return Content("image", "", len(data))
    if len(data) <= _MOST_JSON and data.lstrip()[:1] in (b"{", b"["):
        try:
            laid_out = json.dumps(json.loads(data), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
        else:
            return _bounded("json", printable(laid_out[:MOST]), len(data), len(laid_out) > MOST)
    text = _text(data[:MOST])
    if text is None:
        note = f"the first {_MOST_BYTES} bytes" if len(data) > _MOST_BYTES else ""
        return Content("bytes", _dump(data[:_MOST_BYTES]), len(data), note)
    return _bounded("text", printable(text), len(data), len(data) > MOST)


def of_log(data: bytes, secrets: Sequence[str]) -> Content:
    """Return a log: the end of it, without colours and without the secrets."""
    if not data:
        return Content("empty", "", 0)
    text = of_line(data[-MOST:].decode("utf-8", "replace"), secrets)
    note = f"the last {MOST // 1024} KB" if len(data) > MOST else ""
    return Content("text", text, len(data), note)


def of_line(text: str, secrets: Sequence[str]) -> str:
    """Return what an instance wrote, without colours and without the secrets."""
    text = _COLOUR.sub("", text)
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return printable(text)


def image_type(data: bytes) -> str:
    """Return the media type of a picture, empty if the bytes are not one that is shown."""
    for kind, start in _IMAGES.items():
        if data.startswith(start) and (kind != "image/webp" or data[8:12] == b"WEBP"):
            return kind
    return ""


def printable(text: str) -> str:
    """Return a text with what cannot be seen written out, such as a mark that turns its order."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def header_value(name: str, value: str) -> str:
    """Return the value of a header, hidden if it can be a credential."""
    return HIDDEN if name.lower() in _SECRET_HEADERS else printable(value)


def _bounded(kind: Kind, text: str, size: int, cut: bool) -> Content:
    return Content(kind, text, size, f"the first {MOST // 1024} KB" if cut else "")


def _text(data: bytes) -> str | None:
    """Return bytes as text, None if they are none. The last character may be cut."""
    for end in range(len(data), max(len(data) - 4, 0), -1):
        try:
            text = data[:end].decode()
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def _dump(data: bytes) -> str:
    rows = []
    for start in range(0, len(data), _ROW):
        row = data[start : start + _ROW]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"{start:08x}  {row.hex(' '):<{_ROW * 3}} {seen}")
    return "\n".join(rows)
