"""Markdown that is made from code: tables, docstrings, and what a page keeps of itself."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells may hold any text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Return a text as it stands in a cell, on one line."""
    return re.sub(r"(?<!\\)\|", r"\|", " ".join(text.split()))


def kept(text: str) -> dict[str, str]:
    """Return the last cell of each row of the tables in a text, by the row's first cell."""
    found = {}
    for line in text.splitlines():
        cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
        if len(cells) > 1:
            found[cells[0].strip()] = cells[-1].strip()
    return found


def block(page: str, name: str) -> str:
    """Return what stands between the marks of a name in a page."""
    found = re.search(_marks(name), page, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no <!-- made: {name} --> ... <!-- end -->")
    return found[2]


def replaced(page: str, blocks: Mapping[str, str]) -> str:
    """Return a page with other text between the marks of the names."""
    for name, text in blocks.items():
        block(page, name)
        page = re.sub(
            _marks(name),
            lambda found, text=text: f"{found[1]}\n{text}\n{found[3]}",  # type: ignore[misc]
            page,
            flags=re.DOTALL,
        )
    return page


def _marks(name: str) -> str:
    return rf"(<!-- made: {re.escape(name)} -->\n)(.*?)(<!-- end -->)"


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: its sections as lists, its samples as code."""
    lines, section, sample = [], False, False
    for line in inspect.cleandoc(docstring or "").replace("``", "`").splitlines():
        if found := _SECTION.match(line):
            lines += [f"**{found[1]}:**", ""]
            section, sample = True, False
        elif line.rstrip().endswith("::"):
            ended = line.rstrip().removesuffix("::").rstrip()
            lines += [f"{ended}:"] if ended else []
            sample = True
        elif sample and line and not line.startswith(" "):
            sample = False
            lines.append(line)
        elif section and re.match(r" {4}\*{0,2}\w[\w, *]*: ", line):
            name, _, what = line.strip().partition(": ")
            lines.append(f"- `{name}`: {what}")
        elif section and line.startswith(" " * 8):
            lines.append(f"  {line.strip()}")
        else:
            section = section and bool(not line or line.startswith(" "))
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def first_line(docstring: str | None) -> str:
    """Return the first line of a docstring, as Markdown."""
    return prose(docstring).partition("\n")[0]
