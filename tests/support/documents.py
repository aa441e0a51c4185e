"""The code blocks of the documentation, each with its place and what the page says of it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from support.deployed import ROOT

PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "plugins/*/*.md", "bench/README.md")
    for page in ROOT.glob(pattern)
)
_GUIDES = ("canary", "debugging", "middleware", "processes", "secrets", "tracing")
WALKS = {
    **{f"docs/how-to/{name}.md": "tests/documentation/test_guides.py" for name in _GUIDES},
    "docs/tutorial/index.md": "tests/integration/test_new_projects.py",
}
"""Pages of which a test writes every file and runs every command, from the top to the end."""
_BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>.+?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A code block; the reason is why nothing runs it, if the page says so."""

    page: str
    line: int
    language: str
    text: str
    reason: str

    @property
    def place(self) -> str:
        """Where it is, as an editor opens it."""
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """Yield the code blocks of a page, but not those that show output only."""
    content = (ROOT / page).read_text("utf-8")
    for found in _BLOCK.finditer(content):
        line = content.count("\n", 0, found.start("indent")) + 1
        text = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
        if found["language"] != "text":
            yield Block(page, line, found["language"], text, found["reason"] or "")


BLOCKS = [block for page in PAGES for block in blocks(page)]


def commands(block: Block) -> list[str]:
    """Return the commands of a session, or the lines of a script."""
    text = re.sub(r"\\\n", " ", block.text)
    if block.language == "sh":
        return [line for line in text.splitlines() if line.strip()]
    return re.findall(r"^\$ (.+)$", text, re.MULTILINE)
