"""The page of errors: each message on it is one that fcplug really prints."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from captured import errors_page, sections
from captured.registry import MESSAGES, TEMPLATES
from support.deployed import ROOT

BLOCKS = sections.read(errors_page.PAGE.read_text())
SOURCES = sorted((ROOT / "fcplug").rglob("*.py"))
SLOW = [heading for heading in MESSAGES if heading.startswith(("fcplug build", "fcplug dev"))]
QUICK = [heading for heading in MESSAGES if heading not in SLOW]


def check(heading: str, folder: Path) -> None:
    shown = errors_page.provoke(heading, folder)
    assert shown.text == BLOCKS[heading], "run make captures, and read what changed"
    if shown.status:
        assert heading.endswith(f"({shown.status})")
    if shown.error_type:
        assert re.match(r"\w+", heading)[0] == shown.error_type  # type: ignore[index]


@pytest.mark.parametrize("heading", QUICK)
def test_a_message_of_the_page_is_what_its_mistake_gives(heading: str, tmp_path: Path) -> None:
    check(heading, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("heading", SLOW)
def test_a_message_of_the_page_is_what_a_slow_command_gives(heading: str, tmp_path: Path) -> None:
    check(heading, tmp_path)


@pytest.mark.parametrize("heading", TEMPLATES)
def test_a_message_that_no_test_provokes_is_that_of_the_code(heading: str) -> None:
    file, _ = TEMPLATES[heading]
    assert any(re.search(each, BLOCKS[heading], re.DOTALL) for each in templates(ROOT / file))


def templates(file: Path) -> Iterator[str]:
    """Yield a pattern for each text of a file that is long enough to be a message."""
    for node in ast.walk(ast.parse(file.read_text())):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [
                str(each.value) if isinstance(each, ast.Constant) else "%s" for each in node.values
            ]
            text = "".join(parts)
        pattern = re.sub(r"%(?:\\\.\d)?[sdgafr]", ".*", re.escape(text))
        if text.count(" ") >= 1 and len(pattern.replace(".*", "")) >= 20:
            yield pattern


def test_the_page_has_all_messages_and_no_others() -> None:
    assert set(BLOCKS) == {*MESSAGES, *TEMPLATES}


def test_each_class_of_errors_is_on_the_page() -> None:
    text = "".join(file.read_text() for file in SOURCES)
    bases = dict(re.findall(r"^class (\w+)\((\w+)\):", text, re.MULTILINE))
    known = {"FcplugError"}
    while more := {name for name, base in bases.items() if base in known} - known:
        known |= more
    shown = {each for message in MESSAGES.values() for each in message.errors}
    shown |= {each for _, errors in TEMPLATES.values() for each in errors}
    assert known - {"FcplugError"} == shown


def test_each_error_type_of_a_plugin_is_on_the_page() -> None:
    text = "".join(file.read_text() for file in SOURCES)
    kinds = set(re.findall(r'PluginError\(\s*"(\w+)"', text)) | {"UserCodeSyntaxError"}
    page = errors_page.PAGE.read_text()
    assert {kind for kind in kinds if f"\n### {kind}" not in page} == set()
