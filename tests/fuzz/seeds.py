"""Configurations to begin fuzzing with, and what must hold for each that is loaded."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from fcplug.config import yaml_strict
from fcplug.config.interpolation import filled
from fcplug.config.loader import parse
from fcplug.config.yaml_mistakes import UnreadableYamlError
from fcplug.errors import ConfigError

ENVIRON = {"NAME": "hello", "NUMBER": "7", "EMPTY": "", "BAD": "\ud800"}
SEEDS = (
    "version: 1\nfunctions:\n  f: # f\n    handler: a:b\n    settings: {k: [1, 'x', true]}\n",
    "version: 1\nfunctions: {f: {handler: hello}}\n",
    (
        "version: 1\nruntime: {threads: 3, log_format: json}\nfunctions:\n  f:\n    handler: a.b\n"
        "    middleware: [m, {name: n, settings: {k: 1}}]\n    timeout: 1.5\ndefault: f\n"
    ),
    (
        'version: 1\nfunctions: {a: {handler: "${NAME:-x}"}, b: {handler: x}}\n'
        "routes: [{match: {function: a*}, to: {a: 1, b: 2}}]\n"
    ),
    "version: 1\nfunctions: {f: {handler: h, concurrency: ${NUMBER}, settings: {w: $${x}}}}\n",
    "a: &x [*x, !!str b, <<: 2024-00-01, 1:30, 0o7, .nan, 1e999, ~]\n? [k]\n: - |2-\n  x\n",
    "%YAML 1.2\n%TAG ! x\n---\n\"\\U00110000\\ud800\": 'it''s'\n...\n--- >\n folded\n",
    (
        "version: 1\nfunctions: {f: {handler: h, isolation: process, workers: 2}}\n"
        "runtime: {auth: {tokens: [0123456789abcdef]}}\n"
    ),
)


def read_by(reader: Callable[..., Any], text: str) -> str:
    """Return what a reader makes of a text, as text that can be compared."""
    try:
        return repr(reader(text, lambda value: filled(value, ENVIRON)))
    except UnreadableYamlError as error:
        return repr(error.finding)


def load(text: str) -> bool:
    """Load a configuration: anything but a ``ConfigError`` that can be printed is a finding.

    So is a text that PyYAML's two parsers read otherwise.
    """
    assert read_by(yaml_strict.read, text) == read_by(yaml_strict.read_with_python, text)
    try:
        parse(text, "functions.yaml", ENVIRON)
    except ConfigError as error:
        str(error).encode("utf-8", "backslashreplace")
        return False
    return True


def changed(count: int, seed: int = 1) -> Iterator[str]:
    """Yield configurations with a few characters exchanged for others that mean something."""
    dice = random.Random(seed)
    salt = [*"&*!|>%@`{}[],:?-#'\"\\\n\t $~=.0", "<<", "${", "---", "\ufeff", "\x85", "\U0001f600"]
    for _ in range(count):
        text = dice.choice(SEEDS)
        for _ in range(dice.randrange(5)):
            start = dice.randrange(len(text) + 1)
            text = text[:start] + dice.choice(salt) + text[start + dice.randrange(3) :]
        yield text
