"""Markdown that is made from code: tables, docstrings, and what a page keeps of itself."""

import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells may hold any text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Return a text as it stands in a cell, on one line."""
    return re.sub(r"(?<!\\)\|", r"\|", " ".join(text.split()))


def kept(text: str, column: str) -> dict[str, str]:
    """Return the cells of a column of the tables in a text, by the first cell of their rows."""
    found, index = {}, 0
    for line in text.splitlines():
        cells = [each.strip() for each in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if column in cells:
            index = cells.index(column)
        elif len(cells) > index > 0:
            found[cells[0]] = cells[index]
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


def plain(text: str) -> str:
    """Return a text of the code so that Markdown reads no links or tags in it."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\[\]<*])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: its sections as lists, its samples as code."""
    text = inspect.cleandoc(docstring or "").replace("``", "`")
    parts = re.split(r"(?m)::\n\n((?: +.*\n|\n)+ +.*)(?=\n|\Z)", text)
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = f"\n\n```text\n{textwrap.dedent(part)}\n```\n"
        else:
            colon = ":" if number + 1 < len(parts) and re.search(r"\S\Z", part) else ""
            parts[number] = plain(_sections(part)) + colon
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).strip() + "\n"


def _sections(text: str) -> str:
    """Return the parts of a docstring such as its arguments as lists."""
    lines, section = [], False
    for line in text.splitlines():
        if found := _SECTION.match(line):
            lines += [f"__{found[1]}:__", ""]
            section = True
        elif section and re.match(r" {4}\*{0,2}\w[\w, *]*: ", line):
            name, _, what = line.strip().partition(": ")
            lines.append(f"- `{name}`: {what}")
        elif section and line.startswith(" " * 8):
            lines.append(f"  {line.strip()}")
        else:
            section = section and bool(not line or line.startswith(" "))
            lines.append(line)
    return "\n".join(lines)


def first_line(docstring: str | None) -> str:
    """Return the first line of a docstring, as Markdown."""
    return prose(docstring).partition("\n")[0]
