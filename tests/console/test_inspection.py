"""What the console knows of the functions of a configuration."""

from collections.abc import Callable
from pathlib import Path

from fcplug.console.inspection import Inspection, inspect
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f: {handler: index.handle, middleware: [index:Around]}
  f.b: {handler: "missing:handle"}
  site: {wsgi: "index:site"}
routes:
  - match: {function: "order-*", header: {x-tier: [gold, trial]}}
    to: {f: 90, site: 10}
  - match: {qualifier: prod}
    to: f
default: f
"""
CODE = """\
from fcplug import hookimpl

def handle(event, context):
    "Handle orders."

class Around:
    @hookimpl(wrapper=True)
    def invoke(self, event, context):
        return (yield)

def site(environ, start_response):
    return []
"""


def written(folder: Path, text: str) -> str:
    file = folder / "functions.yaml"
    file.write_text(text)
    return str(file)


def test_each_function_has_its_plugin_routes_and_mistakes(
    tmp_path: Path, code: Callable[[str, str], Path]
) -> None:
    code("index", CODE)
    found = inspect(written(tmp_path, CONFIG), {})
    facts = found.functions["f"]
    assert (facts.kind, facts.reference, facts.broken) == ("handler", "index.handle", [])
    assert facts.plugin is not None
    assert facts.plugin.description == "Handle orders."
    assert facts.middleware == ["index:Around"]
    assert facts.routes == [
        "function order-*, header x-tier: gold or trial (90 % of the calls)",
        "qualifier prod",
        "everything that nothing else matches",
    ]
    assert found.functions["site"].kind == "wsgi"
    (broken,) = found.functions["f.b"].broken  # its name begins with that of another
    assert "missing" in broken.what
    assert broken.line == 4


def test_the_mistakes_of_a_file_that_is_not_yaml_are_found(tmp_path: Path) -> None:
    found = inspect(written(tmp_path, "version: [1\n"), {})
    assert found.count("error") == 1
    assert found.functions == {}
    assert found.text == "version: [1\n"


def test_a_file_that_is_gone_is_a_mistake(tmp_path: Path) -> None:
    found = inspect(str(tmp_path / "functions.yaml"), {})
    assert found.count("error") == 1


def test_edits_that_come_while_it_inspects_are_seen(tmp_path: Path) -> None:
    file = written(tmp_path, CONFIG)
    inspection = Inspection(file, {})
    inspection.edited()
    assert inspection.ended == 0  # nobody has looked yet
    assert inspection.latest() is None
    for number in range(20):
        written(tmp_path, f"version: 1\nfunctions:\n  f{number}: {{handler: index.handle}}\n")
        inspection.edited()
    wait_until(lambda: (found := inspection.latest()) and "f19" in found.functions)
    assert inspection.ended < 20


def test_without_a_configuration_nothing_is_inspected() -> None:
    inspection = Inspection("", {})
    assert inspection.latest() is None
    assert not inspection.possible
    assert inspection.ended == 0
