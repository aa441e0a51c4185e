"""Check the built site: every link, anchor, picture and file of the repository exists.

``zensical build --strict`` checks the links between Markdown files. This also checks pictures,
links in HTML, links to files of the repository, that the navigation names exactly the pages that
exist, and that lists go on where GitHub lets them go on: the site wants 4 spaces before the second
block of an item.
"""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import tomli

ROOT = Path(__file__).resolve().parents[1]
_VIEWS = ("blob", "edit", "raw", "tree")


class Page(HTMLParser):
    """The links of a page, and the anchors that it offers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where the tag leads, and the name that it gives itself."""
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value or "")
            elif name in ("href", "src") and value and tag != "form":
                self.links.append(value)


def check(project: Path, site: Path, config_file: Path) -> list[str]:
    """Return a line for each mistake of the site that was built from the project."""
    config = tomli.loads(config_file.read_text("utf-8"))["project"]
    found = list(_pages(project / "docs", [*_named(config["nav"])]))
    for source in sorted((project / "docs").rglob("*.md")):
        found += _lists(source.read_text("utf-8"), source.relative_to(project).as_posix())
    pages = {file: Page(file.read_text("utf-8")) for file in sorted(site.resolve().rglob("*.html"))}
    for file, page in pages.items():
        for link in dict.fromkeys(page.links):
            if link.startswith(config["repo_url"] + "/"):
                reason = _wrong_in_repository(link.removeprefix(config["repo_url"] + "/"), project)
            else:
                reason = _wrong(link, file, (site, config["site_url"]), pages)
            if reason:
                found.append(f"{file.relative_to(site.resolve())}: {link}: {reason}")
    return found


def _named(nav: object) -> Iterator[str]:
    """Yield the page of each entry of the navigation."""
    if isinstance(nav, str):
        yield nav
    for inner in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _named(inner)


def _pages(docs: Path, named: list[str]) -> Iterator[str]:
    there = {file.relative_to(docs).as_posix() for file in docs.rglob("*.md")}
    for page in sorted(set(named) - there):
        yield f"zensical.toml: {page}: the navigation names it, and it does not exist"
    for page in sorted(there - set(named)):
        yield f"zensical.toml: {page}: it exists, and the navigation does not name it"


def _lists(text: str, name: str) -> Iterator[str]:
    """Yield each line that ends a list because it is indented by too little."""
    inside, fenced, empty = False, False, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif re.match(r"(\d+\.|[-*]) ", line):
            inside = not fenced
        elif re.match(r"\S", line):
            inside = False
        elif inside and not fenced and empty and re.match(r" {1,3}\S", line):
            inside = False
            yield f"{name}:{number}: the list ends before this line: indent the line by 4 spaces"
        empty = not line


def _wrong_in_repository(link: str, project: Path) -> str:
    """Return why a link to a file of the repository leads nowhere, or ''."""
    view, _, path = link.partition("/main/")
    exists = view not in _VIEWS or (project / unquote(urlsplit(path).path)).exists()
    return "" if exists else "the repository has no such file"


def _wrong(link: str, file: Path, at: tuple[Path, str], pages: Mapping[Path, Page]) -> str:
    """Return why a link of a page leads nowhere, or ''; the site has a folder and an address."""
    site, home = at
    parts = urlsplit(link)
    if parts.scheme and not link.startswith(home):
        return ""
    path, root = unquote(parts.path), urlsplit(home).path
    inside = site / path.removeprefix(root) if path.startswith(root) else file.parent / path
    target = inside if path else file
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return "the site has no such file"
    page = pages.get(target.resolve())
    if parts.fragment and page and unquote(parts.fragment) not in page.anchors:
        return "the page has no such anchor"
    return ""
