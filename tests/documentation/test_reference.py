"""How the pages of the reference are made from the code; tests/test_docs.py holds them to it."""

import json
import re

import pytest

import page_contract
import page_keys
import reference


def test_every_key_has_the_version_since_when_it_is_there() -> None:
    recorded = json.loads(page_keys.SINCE.read_text())
    assert list(recorded) == list(page_keys.keys()), "run `make reference`"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+\w*", version) for version in recorded.values())


def test_every_item_of_the_contract_names_a_test_that_exists() -> None:
    page = (reference.DOCS / "reference" / "contract.md").read_text()
    items = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    assert items == [str(number) for number in range(1, len(items) + 1)]
    assert page_contract.unknown_tests(page) == []


def test_an_item_of_the_contract_without_a_test_is_an_error() -> None:
    page = (reference.DOCS / "reference" / "contract.md").read_text()
    with pytest.raises(ValueError, match="item 3 has no test"):
        page_contract.make(re.sub(r"^(\| 3 \|.*\|).*\|$", r"\1 |", page, flags=re.MULTILINE))
    with pytest.raises(ValueError, match="has no item 16"):
        page_contract.make(re.sub(r"^\| 16 \|.*\n", "", page, flags=re.MULTILINE))


def test_what_a_key_means_is_the_pages_own_text_and_all_else_the_codes() -> None:
    page = (reference.DOCS / "reference" / "configuration.md").read_text()
    edited = re.sub(r"^\| `threads` \|.*$", "| `threads` | mine | 7 | why | 0 |", page, flags=re.M)
    assert "| `threads` | mine | whole number, 1 to 10,000 | `32` | 0.1.0 |" in page_keys.make(
        edited
    )
    without = re.sub(r"^\| `threads` \|.*\n", "", page, flags=re.MULTILINE)
    assert (
        "| `threads` | invocations at once in this process | whole number, 1 to 10,000 |"
        in page_keys.make(without)
    )
