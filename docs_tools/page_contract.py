"""``reference/contract.md``: each item of FC's contract, with the test that proves it.

What FC and fcplug do is the page's own text. The proof is made: the rows of the conformance table
name the items that they prove, and every other item names a test, which must exist.
"""

import re

import site_check
from support.conformance import ROWS

TESTS = site_check.ROOT / "tests"
_BLOB = "https://github.com/fcplug/fcplug/blob/main/tests"
_ROW = re.compile(r"^\| (\d+) \| (.*) \| (.*) \| ?(.*?) ?\|$", re.MULTILINE)


def make(page: str) -> str:
    """Return the page with its last column as the tests have it now.

    Raises:
        ValueError: an item has no proof, or the page lacks an item that a test proves.
    """
    proven = {item for row in ROWS for item in row.items.split(", ")}
    listed = {found[1] for found in _ROW.finditer(page)}
    if missing := sorted(proven - listed, key=int):
        raise ValueError(f"docs/reference/contract.md has no item {', '.join(missing)}")

    def row(found: re.Match[str]) -> str:
        item, theirs, ours, proof = found.groups()
        if item in proven:
            proof = f"[conformance {item}]({_BLOB}/contract/test_conformance.py)"
        elif not proof.startswith("["):
            proof = _linked(item, proof)
        return f"| {item} | {theirs} | {ours} | {proof} |"

    return _ROW.sub(row, page)


def _linked(item: str, proof: str) -> str:
    """Return a test with the address of its file."""
    found = re.fullmatch(r"`([\w/]+\.py)::(test_\w+)`", proof)
    if found is None:
        raise ValueError(f"docs/reference/contract.md: item {item} has no test")
    return f"[`{found[2]}`]({_BLOB}/{found[1]})"


def unknown_tests(page: str) -> list[str]:
    """Return the tests that the page names and that do not exist."""
    named = re.findall(rf"\[`(test_\w+)`\]\({re.escape(_BLOB)}/([\w/]+\.py)\)", page)
    return [
        f"{file}::{name}"
        for name, file in named
        if not (TESTS / file).exists() or f"def {name}(" not in (TESTS / file).read_text("utf-8")
    ]
