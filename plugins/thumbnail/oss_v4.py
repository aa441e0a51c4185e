"""Signatures of version 4 and checksums, as OSS computes them, for the local OSS."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

ALGORITHM = "OSS4-HMAC-SHA256"
SCOPE = ("oss", "aliyun_v4_request")
"""How the scope of a signature ends, after its date and region."""


class Scope(NamedTuple):
    """When and where a signature is valid; ``moment`` is the header ``x-oss-date``."""

    moment: str
    date: str
    region: str

    def text(self, request: str) -> str:
        """Return what is signed of a canonical request."""
        digest = hashlib.sha256(request.encode()).hexdigest()
        return "\n".join([ALGORITHM, self.moment, "/".join(self[1:] + SCOPE), digest])

    def sign(self, request: str, secret: str) -> str:
        """Return the signature of a canonical request."""
        key = f"aliyun_v4{secret}".encode()
        for step in self[1:] + SCOPE:
            key = hmac.digest(key, step.encode(), "sha256")
        return hmac.digest(key, self.text(request).encode(), "sha256").hex()


def canonical(method: str, url: str, headers: Mapping[str, str], extra: str) -> str:
    """Return the text of a request whose URL is in path style.

    Args:
        method: of the request.
        url: its path and query; the path begins with the bucket.
        headers: by their names in lower case.
        extra: names of further headers that are signed, with semicolons between them.
    """
    path, query = urlsplit(url).path, urlsplit(url).query
    signed = {
        name: value.strip()
        for name, value in headers.items()
        if name.startswith("x-oss-") or name in ("content-type", "content-md5", *extra.split(";"))
    }
    return "\n".join(
        [
            method,
            quote(unquote(path), safe="/~"),
            "&".join(pair.removesuffix("=") for pair in sorted(query.split("&"))),
            "".join(f"{name}:{signed[name]}\n" for name in sorted(signed)),
            extra,
            headers.get("x-oss-content-sha256", ""),
        ]
    )


def _table() -> Iterator[int]:
    for number in range(256):
        value = number
        for _ in range(8):
            value = (value >> 1) ^ (0xC96C5795D7870F42 if value & 1 else 0)
        yield value


_TABLE = tuple(_table())


@lru_cache
def crc64(data: bytes) -> int:
    """Return the CRC-64 of ECMA-182."""
    check = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        check = _TABLE[(check ^ byte) & 0xFF] ^ (check >> 8)
    return check ^ 0xFFFFFFFFFFFFFFFF
