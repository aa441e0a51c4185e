"""``docs/reference/commands.md``: the outputs that it shows are those of the commands."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fcplug.tools import COMMANDS
from support.commands import environment
from support.deployed import ROOT, deploy

PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
CHECKED = ("check", "plugins", "route", "doctor")
_BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    command: list[str]
    files: dict[str, str]
    shown: str


def section(command: str) -> str:
    return PAGE.partition(f"\n## fcplug {command}\n")[2].partition("\n## ")[0]


def examples(command: str) -> Iterator[Example]:
    """Yield the examples of a section, with the files as they are shown before each."""
    files = dict(zip(("config/functions.yaml", "s.yaml"), yaml_blocks("check"), strict=True))
    files |= dict(zip(("config/functions.yaml", "s.yaml"), yaml_blocks(command), strict=False))
    for kind, text in _BLOCK.findall(section(command)):
        for each in text.split("$ ")[1:] if kind == "console" else ():
            line, _, shown = each.partition("\n")
            yield Example(shlex.split(line)[1:], files, shown)


def yaml_blocks(command: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(section(command)) if kind == "yaml"]


EXAMPLES = [each for command in CHECKED for each in examples(command)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[shlex.join(e.command) for e in EXAMPLES])
def test_the_output_of_an_example_is_that_of_the_command(tmp_path: Path, example: Example) -> None:
    files = {name: text for name, text in example.files.items() if name == "s.yaml"}
    folder = deploy(tmp_path, example.files["config/functions.yaml"], files)
    done = subprocess.run(
        [sys.executable, "-m", "fcplug", *example.command],
        cwd=folder,
        env=environment(COLUMNS="100", FCPLUG_SHOWN="1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    expected, found = tidy(example.shown), tidy(done.stdout)
    if example.command[0] == "plugins":
        expected, found = aligned(expected), aligned(without_others(found, expected))
    if example.command[0] == "doctor":  # the longest name of a plugin decides the columns
        expected, found = aligned(expected), aligned(found)
    if "--cost" in example.command:
        expected, found = (re.sub(r"[0-9.]+ *", "# ", text) for text in (expected, found))
        assert sorted(found.splitlines()) == sorted(expected.splitlines())
        return
    pattern = "".join(".*" if part == "..." else re.escape(part) for part in split(expected))
    assert re.fullmatch(pattern, found, re.DOTALL), found


def without_others(found: str, expected: str) -> str:
    """Return the output without installed plugins that the page does not show."""
    known = {line.split(" ")[0] for line in expected.splitlines() if line}
    table, *details = found.split("\n\n")
    rows = [row for row in table.splitlines() if row.split(" ")[0] in known]
    kept = [block for block in details if block.split("\n")[0].split(":")[0] in expected]
    return "\n\n".join(["\n".join(rows), *kept])


def aligned(text: str) -> str:
    """Return a table with the least space between its columns."""
    return "\n".join(re.sub(r"(?<=\S) {2,}", "  ", line) for line in text.splitlines())


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


def split(text: str) -> list[str]:
    return re.split(r"(\.\.\.)", text)


@pytest.mark.parametrize("command", ["schema", *COMMANDS])
def test_every_command_has_a_section_and_a_row(command: str) -> None:
    assert section(command).strip()
    assert f"[`fcplug {command}`](#fcplug-{command})" in PAGE
