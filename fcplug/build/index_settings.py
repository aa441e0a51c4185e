"""Lets uv look where pip looks: uv reads none of pip's configuration, and mirrors are set there."""

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from fcplug.build import subprocesses

_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
_SEPARATORS = {"UV_FIND_LINKS": ","}
_OF_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX")


def for_uv(environ: Mapping[str, str], work: Path) -> dict[str, str]:
    """Return variables that give uv the indexes of pip; none if the environment names uv's own."""
    if any(name in environ for name in _OF_INDEXES) or find_spec("pip") is None:
        return {}
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocesses.run(command, {**environ, "PIP_QUIET": "0"}, work).stdout
    settings = dict(_settings(listed))
    found = {
        variable: _SEPARATORS.get(variable, " ").join(settings[name].split())
        for name, variable in _VARIABLES.items()
        if settings.get(name) and variable not in environ
    }
    if "UV_INDEX" in found or "UV_FIND_LINKS" in found:
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # pip asks all of them
    return found


def _settings(listed: str) -> Iterator[tuple[str, str]]:
    """Yield pip's settings for all commands, for ``install``, and of variables; later ones win."""
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            owner, _, name = key.partition(".")
            if owner == section:
                try:
                    yield name, str(ast.literal_eval(value))
                except (SyntaxError, ValueError):
                    continue
