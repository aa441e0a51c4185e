"""The captured blocks of a page: the first block of text under a heading of the third level."""

import re
from collections.abc import Mapping

_SECTION = re.compile(
    r"^### (?P<heading>[^\n]+)$(?P<body>.*?)(?=^###? |\Z)", re.MULTILINE | re.DOTALL
)
_BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(page: str) -> dict[str, str]:
    """Return the first block of text under each heading, by the heading."""
    found = {}
    for section in _SECTION.finditer(page):
        if block := _BLOCK.search(section["body"]):
            found[section["heading"]] = block[1]
    return found


def write(page: str, blocks: Mapping[str, str]) -> str:
    """Return the page with these blocks in place of its own, by the heading."""

    def renewed(section: re.Match[str]) -> str:
        heading, body = section["heading"], section["body"]
        if heading in blocks:
            block = f"```text\n{blocks[heading].rstrip()}\n```"
            body = _BLOCK.sub(lambda _: block, body, count=1)
        return f"### {heading}{body}"

    return _SECTION.sub(renewed, page)
