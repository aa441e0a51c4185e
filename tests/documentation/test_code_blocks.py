"""Every code block of every page runs, or the page says why not.

A reason is a comment before the block: ``<!-- not run: it needs a cluster -->``. What is not run is
parsed all the same: commands by the commands themselves, YAML by the configuration's own reader.
"""

import ast
import contextlib
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import tomli
import yaml

from fcplug import cli
from fcplug.tools import COMMANDS
from support import documents
from support.commands import run
from support.deployed import ROOT, deploy
from support.documents import WALKS, Block, commands

BLOCKS = [block for block in documents.BLOCKS if block.page not in WALKS]
PROJECTS = {"docs/reference/local-platform.md"}
"""Pages whose snippets need a project; a test of this module runs them in one."""
MADE = {"docs/reference/commands.md"}
"""Pages whose configurations have mistakes that the page is about; a test shows each of them."""
CONFIGURATIONS = [
    block
    for block in BLOCKS
    if block.language == "yaml" and re.search("^(functions|runtime):", block.text, re.MULTILINE)
]
SNIPPETS = [
    block
    for block in BLOCKS
    if block.language == "python" and not block.reason and block.page not in PROJECTS
]
CONSOLES = [block for block in BLOCKS if block.language in ("console", "sh")]
FORMATS: dict[str, Callable[[str], object]] = {
    "json": json.loads, "toml": tomli.loads, "yaml": yaml.safe_load, "python": ast.parse,
}  # fmt: skip


def place(block: Block) -> str:
    return block.place


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in FORMATS], ids=place)
def test_data_and_code_can_be_read(block: Block) -> None:
    FORMATS[block.language](block.text)


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=place)
def test_fcplug_check_finds_no_mistake_in_a_configuration(tmp_path: Path, block: Block) -> None:
    if block.page in MADE:
        return
    text = block.text if "version:" in block.text else f"version: 1\n{block.text}"
    if "functions:" not in text:
        text += "functions: {hello: {handler: hello}}\n"
    shown = {name: code for name, code in named_files(block.page) if name.endswith(".py")}
    made = {} if shown else dict(made_for(yaml.safe_load(text)))
    folder = deploy(tmp_path, text, {**made, **shown})
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "/mnt")
    done = run("check", cwd=folder, stdin=b"", python=sys.executable, **variables)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def named_files(page: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a page: blocks that begin with the name of a file."""
    for block in BLOCKS:
        found = re.match(r"# ([\w./-]+\.\w+)\n", block.text)
        if found and block.page == page and not block.reason:
            yield found[1], block.text


def made_for(config: dict[str, dict[str, dict[str, str]]]) -> Iterator[tuple[str, str]]:
    """Yield modules with everything that a configuration names in code of the reader."""
    names: dict[str, list[str]] = {}
    for entry in config["functions"].values():
        for key in ("handler", "initializer", "pre_stop", "wsgi", "asgi"):
            if found := re.fullmatch(r"([\w/]+)[.:](\w+)", entry.get(key, "")):
                names.setdefault(found[1], []).append(found[2])
    for module, given in names.items():
        yield f"{module}.py", "".join(f"def {name}(a, b=None): ...\n" for name in set(given))


@pytest.mark.parametrize("page", dict.fromkeys(block.page for block in SNIPPETS))
def test_every_snippet_of_a_page_is_executed(tmp_path: Path, page: str) -> None:
    snippets = [block.text for block in SNIPPETS if block.page == page]
    files = dict(named_files(page))
    for number, text in enumerate(snippets):
        if text not in files.values():
            files[f"snippet_{number}.py"] = text
    folder = deploy(tmp_path, "version: 1\nfunctions: {hello: {handler: hello}}\n", files)
    names = [Path(name).stem for name in files if name.endswith(".py")]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-W", "error", "-c", script, *names]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", CONSOLES, ids=place)
def test_the_commands_of_a_session_exist_and_take_these_options(block: Block) -> None:
    subprocess.run(["bash", "-n", "-c", "\n".join(commands(block))], check=True)
    for line in commands(block):
        words = shlex.split(line.partition(" #")[0])
        for part in split(words):
            if part[0] == "fcplug":
                parse(part[1:])
            elif part[0] == "make":
                targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
                assert part[1] in targets


def split(words: list[str]) -> Iterator[list[str]]:
    """Yield the commands of a pipeline, without redirections."""
    part: list[str] = []
    for word in [*words, "|"]:
        if word in ("|", "&&", ">", "2>"):
            if part:
                yield part
            part = [] if word in ("|", "&&") else ["", ""]
        elif part != ["", ""]:
            part.append(word)


def parse(words: list[str]) -> None:
    """Let a command read its arguments, and do nothing."""
    if words[0] not in COMMANDS:
        cli._parser().parse_args(words)
        return
    command: click.Command = importlib.import_module(f"fcplug.tools.{words[0]}").command
    context = click.Context(command, info_name=words[0])
    arguments = words[1:]
    while isinstance(command, click.Group) and arguments:
        found = command.get_command(context, arguments.pop(0))
        assert found is not None
        command = found
    with contextlib.suppress(click.BadParameter):  # a file of the reader does not exist here
        command.make_context(command.name, list(arguments))


def test_sessions_that_need_no_server_run(tmp_path: Path) -> None:
    folder = deploy(tmp_path, "version: 1\nfunctions:\n  hello: {handler: hello}\n")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in CONSOLES:
        lines = commands(block)
        if block.page == "docs/reference/commands.md" and lines[0].split()[1] in ("new", "schema"):
            for line in lines:
                subprocess.run(["bash", "-ec", line], cwd=folder, env=environ, check=True)
    assert (folder / "shop" / "config" / "functions.yaml").exists()
    assert (folder / "fcplug-timing" / "pyproject.toml").exists()
    assert (folder / "config" / "functions.schema.json").exists()


def test_the_platform_of_the_page_calls_the_function(tmp_path: Path) -> None:
    config = "version: 1\nfunctions:\n  hello: {handler: hello}\n"
    folder = deploy(tmp_path / "my-project", config)
    (folder / ".venv").symlink_to(sys.prefix)  # where bootstrap looks first
    start, serve = (
        block.text
        for block in BLOCKS
        if block.page == "docs/reference/local-platform.md" and block.language == "python"
    )
    script = start + serve.replace("port=9080", "port=0") + "server.close()\nqueue.close()\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert "Hello, Ada!" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
