"""The page about moving from the built-in runtime: each claim names the test that proves it."""

import re
from pathlib import Path

import pytest

from support.conformance import ROWS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "moving.md").read_text()
CLAIMS = [
    cells
    for line in PAGE.splitlines()
    if line.startswith("| ") and (cells := line.strip("| ").split(" | "))[-1] != "proven by"
]
ITEMS = {item for row in ROWS for item in row.items.split(", ")}


def test_the_page_makes_claims() -> None:
    assert len(CLAIMS) > 30


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[0])
def test_each_claim_is_proven_by_a_test_that_exists(claim: list[str]) -> None:
    proof = re.fullmatch(r"`(?:conformance (\d+)|(test_\w+)::(test_\w+))`", claim[-1])
    assert proof, f"no proof: {claim[-1]}"
    item, module, name = proof.groups()
    if item:
        assert item in ITEMS
    else:
        text = "\n".join(file.read_text() for file in (ROOT / "tests").rglob(f"{module}.py"))
        assert re.search(rf"^def {name}\(", text, re.MULTILINE)
