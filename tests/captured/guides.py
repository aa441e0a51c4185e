"""The how-to guides that are done in a new project, each in a folder of its own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from captured.walk import Walk, normalised
from support import commands
from support.deployed import ROOT

PAGES = {
    name: ROOT / "docs/how-to" / f"{name}.md"
    for name in ("canary", "debugging", "middleware", "processes", "secrets", "tracing")
}


def walked(page: Path, folder: Path) -> str:
    """Return a page with the outputs of a walk through it."""
    done = commands.run("new", "project", "shop", cwd=folder)
    assert done.returncode == 0, done.stderr
    return Walk(folder, _variables(), project="shop").done(page.read_text())


def _variables() -> Mapping[str, str]:
    here = os.path.dirname(sys.executable)
    home = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return {**home, "PATH": f"{here}:{os.environ['PATH']}"}


def write(page: Path, folder: Path) -> None:
    """Write the outputs of a walk into a page."""
    before, after = page.read_text(), walked(page, folder)
    if normalised(after) != normalised(before):
        page.write_text(after)
