"""``fcplug schema``: what an editor knows of the plugins that are installed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fcplug import cli
from fcplug.config import loader
from fcplug.inspection.installed_schema import installed_schema
from support.lean import lean_python

TYPED = '''\
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
import msgspec
from fcplug import hookimpl

class Size(msgspec.Struct):
    width: int

@dataclass
class Typed:
    """Makes things."""
    size: Size
    mode: Literal["fast", "good"] = "fast"
    count: Annotated[int, msgspec.Meta(ge=1, description="how many")] = 1
    place: Path = Path("/tmp")
    odd: object = None
    @hookimpl
    def invoke(self, event): ...
'''
AROUND = """\
from fcplug import hookimpl
class Around:
    def __init__(self, level: str = "INFO"): ...
    @hookimpl(wrapper=True)
    def invoke(self): return (yield)
"""


@pytest.fixture
def schema(install: Callable[..., Path]) -> dict[str, Any]:
    install("acme-typed", {"acme_typed": TYPED}, handlers={"typed": "acme_typed:Typed"})
    install("acme-around", {"acme_around": AROUND}, middleware={"around": "acme_around:Around"})
    install("acme-shop", {"acme_shop": "app = len"}, wsgi={"shop": "acme_shop:app"})
    made, broken = installed_schema(lambda _done, _all, _name: None)
    assert broken == []
    jsonschema.Draft202012Validator.check_schema(made)
    return made


def errors(schema: dict[str, Any], function: dict[str, Any], **more: Any) -> list[str]:
    document = {"version": 1, "functions": {"f": function}, **more}
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(document)]


ACCEPTED: list[dict[str, Any]] = [
    {"handler": "typed", "settings": {"size": {"width": 3}, "mode": "good", "count": 3}},
    {"handler": "acme-typed:typed", "settings": {"count": "${COUNT}", "odd": [1], "place": "/x"}},
    {"handler": "typed"},
    {"handler": "index:handle", "settings": {"anything": 1}},
    {"handler": "hello", "settings": {"anything": 1}},
    {"handler": "typed", "middleware": ["around", "mine:Around", {"name": "around"}]},
    {"handler": "typed", "middleware": [{"name": "around", "settings": {"level": "DEBUG"}}]},
    {"wsgi": "shop"},
    {"asgi": "index:app"},
    {"handler": "${HANDLER}"},
]
REFUSED: list[dict[str, Any]] = [
    {"handler": "typedd"},
    {"handler": "around"},
    {"wsgi": "typed"},
    {"handler": "typed", "settings": {"cuont": 3}},
    {"handler": "acme-typed:typed", "settings": {"cuont": 3}},
    {"handler": "typed", "settings": {"count": 0}},
    {"handler": "typed", "settings": {"mode": "slow"}},
    {"handler": "typed", "settings": {"size": {"width": "wide"}}},
    {"handler": "typed", "middleware": ["aruond"]},
    {"handler": "typed", "middleware": [{"name": "around", "settings": {"level": 3}}]},
]


@pytest.mark.parametrize("function", ACCEPTED, ids=map(str, ACCEPTED))
def test_what_is_installed_is_accepted(schema: dict[str, Any], function: dict[str, Any]) -> None:
    assert errors(schema, function) == []


@pytest.mark.parametrize("function", REFUSED, ids=map(str, REFUSED))
def test_what_is_not_or_does_not_fit_is_refused(
    schema: dict[str, Any], function: dict[str, Any]
) -> None:
    plain = json.loads(loader.json_schema())
    assert errors(plain, function) == []  # it is the plugins that make the difference
    assert errors(schema, function)


def test_names_have_the_description_and_the_package_of_the_plugin(schema: dict[str, Any]) -> None:
    offered = schema["$defs"]["FunctionEntry"]["properties"]["handler"]["anyOf"]
    described = {each["const"]: each["description"] for each in offered if "const" in each}
    assert described["typed"] == "Makes things. (acme-typed 1.2)"
    rules = schema["$defs"]["FunctionEntry"]["allOf"]
    typed = next(rule for rule in rules if "typed" in rule["if"]["properties"]["handler"]["enum"])
    count = typed["then"]["properties"]["settings"]["properties"]["count"]
    assert (count["description"], count["default"]) == ("how many", 1)


def test_a_broken_plugin_is_offered_and_a_warning(
    install: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    code = "print('noise')\nimport nowhere\n"
    install("acme-bad", {"acme_bad": code}, handlers={"bad": "acme_bad:f"})
    assert cli.main(["schema"]) == 0
    captured = capfd.readouterr()
    assert errors(json.loads(captured.out), {"handler": "bad", "settings": {"x": 1}}) == []
    assert captured.err.startswith("warning: bad: its settings are unknown: Unable to import")


def test_it_needs_none_of_the_tools(tmp_path: Path) -> None:
    python = lean_python(tmp_path / "lean")
    done = subprocess.run(
        [str(python), "-m", "fcplug", "schema", "-o", "made.json"],
        cwd=tmp_path, env={}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    jsonschema.Draft202012Validator.check_schema(json.loads((tmp_path / "made.json").read_text()))


def test_a_reader_that_ends_early_is_fine(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "fcplug", "schema"],
        stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
