"""The file and line in the errors of a plugin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug.errors import PluginError
from fcplug.plugins import definition
from fcplug.plugins.importer import HANDLERS, Source
from fcplug.runtime.runtime import Runtime

MODULE = '''\
"""A module of many names."""
import os
import json as loaded
number = 1
if os.sep:
    inside = 2

number = 3
first, second = 4, 5
annotated: int = 6


def function():
    number = 7


class Class:
    number = 8
'''


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("number", 8),
        ("inside", 6),
        ("second", 9),
        ("annotated", 10),
        ("function", 13),
        ("Class", 17),
        ("Class.number", 17),
        ("unknown", 1),
    ],
)
def test_a_value_is_where_it_was_last_bound(
    code: Callable[[str, str], Path], name: str, line: int
) -> None:
    file = code("names", MODULE)
    target: Any = __import__("names")
    for part in name.split("."):
        target = getattr(target, part, None)
    source = Source(HANDLERS, f"names:{name}", module="names", attribute=name)
    assert definition.location(target, source) == f", {file}:{line}"


def test_an_object_without_a_file_has_no_location() -> None:
    assert definition.location(5, Source(HANDLERS, "sys:maxsize", module="sys")) == ""


@pytest.mark.parametrize("key", ["handler", "wsgi", "asgi", "initializer", "middleware"])
def test_the_error_for_a_number_instead_of_code_has_its_line(
    code: Callable[[str, str], Path], serve: Callable[..., Runtime], key: str
) -> None:
    file = code("sig", '"""Text."""\n\n\n\nx = 5\n\n\ndef handle(): ...\n')
    entry = {"handler": "sig:handle", key: ["sig:x"] if key == "middleware" else "sig:x"}
    if key in ("wsgi", "asgi"):
        del entry["handler"]
    ((_, _, error),) = serve(f=entry).load(["f"])
    assert isinstance(error, PluginError)
    assert error.where.endswith(f"'sig:x', {file}:5")
