"""Which functions a package is made for."""

from pathlib import Path

import pytest

from fcplug.build import roots
from fcplug.build.failure import BuildError
from fcplug.build.installed import Environment
from fcplug.build.target import Target
from fcplug.config import loader

CONFIG = """\
version: 1
functions:
  a: {handler: x:y, shadow: c}
  b: {handler: x:y}
  c: {handler: x:y, shadow: d}
  d: {handler: x:y}
routes:
  - match: {function: [a, z], qualifier: prod}
    to: b
"""


def chosen(*names: str) -> list[str]:
    return [spec.name for spec in roots.chosen(loader.parse(CONFIG, "f.yaml", {}), names)]


def test_a_package_has_what_every_call_of_its_function_can_reach() -> None:
    assert chosen() == ["a", "b", "c", "d"]
    assert chosen("b") == ["b"]
    assert chosen("z") == ["b"]
    assert chosen("a") == ["b", "a", "c"]  # nothing copies the events of a shadow


def test_a_name_that_nothing_answers_is_an_error() -> None:
    with pytest.raises(BuildError, match="'y'"):
        chosen("y")


def test_without_own_code_requirements_give_plugins_their_extras(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("Fcplug_Thumbnail[oss]\nacme-resize\n")
    config = loader.parse("version: 1\nfunctions: {a: {handler: thumbnail}}", "f.yaml", {})
    target = Target("custom.debian12", "3.11.2", "x86_64")
    found = roots.needs(roots.chosen(config, ()), tmp_path, Environment(), target).roots
    wanted = [root.requirement for root in found if root.requirement]
    assert {"oss"} in [each.extras for each in wanted]
    assert "acme-resize" not in [each.name for each in wanted]
