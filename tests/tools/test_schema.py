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
from openapi_spec_validator import OpenAPIV31SpecValidator

from fcplug import cli
from fcplug.config import loader
from fcplug.inspection.installed_schema import installed_schema
from support.commands import environment
from support.deployed import deploy
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


SHOP = """\
from dataclasses import dataclass
import msgspec, pydantic
from fcplug import hookimpl

class Line(msgspec.Struct):
    sku: str
    of: "Line | None" = None

class Order(msgspec.Struct):
    id: str
    lines: list[Line] = []

class Model(pydantic.BaseModel):
    name: str

def typed(event: Order, context): ...
def model(event: Model): ...
def text(event: str): ...
def plain(event, context): ...
app = len

class Typed:
    @hookimpl
    async def invoke(self, event: Order): ...

@dataclass
class Described:
    http: str | None = None
    @hookimpl(wrapper=True)
    def invoke(self):
        return (yield)
    def __fcplug_schema__(self):
        constant = {"default": {"const": {"$ref": "#"}}}
        result = {"$id": "urn:x", "$ref": "#/$defs/default", "$defs": constant}
        event = {"properties": {"default": {"$ref": "#"}}, "default": {"$ref": "#"}}
        return {"event": event, "result": result, "http": self.http}
"""
FUNCTIONS = {
    "typed": {"handler": "shop:typed"},
    "class": {"handler": "shop:Typed"},
    "model": {"handler": "shop:model"},
    "text": {"handler": "shop:text"},
    "plain": {"handler": "shop:plain"},
    "web": {"wsgi": "shop:app"},
    "broken": {"handler": "shop:absent"},
    "own": {"handler": "shop:plain", "isolation": "process", "python": "elsewhere"},
    "both": {"handler": "shop:typed", "middleware": ["shop:Described"]},
    "put": {
        "handler": "shop:plain",
        "middleware": [{"name": "shop:Described", "settings": {"http": "PUT /orders"}}],
    },
    "again": {
        "handler": "shop:plain",
        "middleware": [{"name": "shop:Described", "settings": {"http": "PUT /orders"}}],
    },
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """Return the document of FUNCTIONS, and what was said on standard error."""
    folder = tmp_path_factory.mktemp("published")
    config = {"version": 1, "functions": FUNCTIONS}
    deploy(folder, json.dumps(config), {"shop.py": SHOP})
    done = subprocess.run(
        [sys.executable, "-m", "fcplug", "schema", "--functions"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    return json.loads(done.stdout), done.stderr.splitlines()


Published = tuple[dict[str, Any], list[str]]


def invoked(published: Published, name: str) -> dict[str, Any]:
    path = f"/2023-03-30/functions/{name}/invocations"
    operation: dict[str, Any] = published[0]["paths"][path]["post"]
    return operation


def test_the_functions_are_one_valid_openapi_document(published: Published) -> None:
    OpenAPIV31SpecValidator(published[0]).validate()
    assert published[0]["openapi"] == "3.1.0"
    operations = [
        each["operationId"] for path in published[0]["paths"].values() for each in path.values()
    ]
    assert operations == [name for name in FUNCTIONS if name not in ("web", "again")]


def test_what_is_not_known_is_said(published: Published) -> None:
    assert [line.split(": ")[1] for line in published[1]] == ["web", "broken", "own", "again"]
    assert "its application answers" in published[1][0]
    assert "Handler 'absent' is missing" in published[1][1]
    assert "PUT /orders is that of 'put'" in published[1][3]
    for name in ("text", "plain", "own", "broken"):
        assert invoked(published, name)["requestBody"]["content"] == {
            "application/octet-stream": {}
        }


@pytest.mark.parametrize("name", ["typed", "class", "model", "both"])
def test_a_typed_event_is_published_and_its_references_lead_somewhere(
    published: Published, name: str
) -> None:
    content = invoked(published, name)["requestBody"]["content"]["application/json"]
    places = [f"{name}.event.1", f"{name}.event.2"] if name == "both" else [f"{name}.event"]
    references = [{"$ref": f"#/components/schemas/{place}"} for place in places]
    assert content["schema"] == ({"allOf": references} if name == "both" else references[0])
    validator = jsonschema.Draft202012Validator({**published[0], **content["schema"]})
    if name == "model":
        assert validator.is_valid({"name": "Ada"})
        assert not validator.is_valid({"name": 3})
        return
    assert validator.is_valid({"id": "a", "lines": [{"sku": "s", "of": {"sku": "t"}}]})
    assert not validator.is_valid({"id": "a", "lines": [{"sku": "s", "of": {"sku": 3}}]})
    assert not validator.is_valid({"lines": []})


def test_an_http_operation_has_its_own_path_and_may_fail(published: Published) -> None:
    operation = published[0]["paths"]["/orders"]["put"]
    assert list(operation["responses"]) == ["200", "400"]
    schemas = published[0]["components"]["schemas"]
    assert schemas["put.event"] == {
        "properties": {"default": {"$ref": "#/components/schemas/put.event"}},
        "default": {"$ref": "#"},
    }
    assert schemas["put.result"] == {
        "$ref": "#/components/schemas/put.result/$defs/default",
        "$defs": {"default": {"const": {"$ref": "#"}}},
    }


def test_a_configuration_that_is_not_there_or_wrong_is_the_only_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fcplug", "schema", "--functions", "absent.yaml"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "absent.yaml" in done.stderr
    both = subprocess.run(
        [*command[:-1], "--plain"],
        cwd=tmp_path,
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert both.returncode == 2
