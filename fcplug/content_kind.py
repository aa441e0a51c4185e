"""What data looks like that is not the JSON that somebody expected, for error messages."""

import re

_FIRST = 256  # characters that are looked at
_BINARY = (
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF file"),
    (b"\xef\xbb\xbf", "text with a byte order mark"),
)
_TEXT = (
    (r"\s*<", "XML or HTML"),
    (r"--[^\s]+\r?\n", "a multipart form"),
    (r"[\w.\[\]%+-]+=[^\s&=]+(&|\s*$)", "a form (name=value&...)"),
    (r"\s*[{\[](\s*'|.*\b(None|True|False)\b)", "a dict or list by Python's str()"),
    (r"\s*[{\[]", "JSON that is cut or malformed"),
)


def content_kind(data: bytes | str) -> str:
    """Return what data looks like, in words that complete "it is"; never any of the data."""
    if not data or data.isspace():
        return "empty"
    if isinstance(data, str):
        return _text_kind(data[:_FIRST])
    if known := next((kind for start, kind in _BINARY if data.startswith(start)), ""):
        return known
    if data[0] >> 5 == 5:  # the major type of maps
        return "CBOR, as Tablestore sends it"
    first = data[:_FIRST].decode(errors="surrogateescape")
    whole = first if len(data) <= _FIRST else first[:-4]  # without a character that was cut
    if any("\udc80" <= each <= "\udcff" for each in whole):
        return "binary data"
    return _text_kind(first)


def _text_kind(first: str) -> str:
    found = (kind for pattern, kind in _TEXT if re.match(pattern, first))
    return next(found, "plain text")
