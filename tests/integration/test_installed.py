"""The installed package follows the tree: ``make`` installs again after an edit."""

import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["fcplug", "fcplug-hello", "fcplug-metrics", "fcplug-otel", "fcplug-thumbnail"]
)
def test_an_edit_of_any_installed_file_installs_again(name: str) -> None:
    rules = subprocess.run(
        ["make", "--dry-run", "--print-data-base", ".venv/installed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    rule = re.search(r"^\.venv/installed: (.*)$", rules, re.MULTILINE)
    assert rule
    sources = set(rule[1].split())
    missing = [file for file in _installed(name) if not _is_a_source(file, sources)]
    assert missing == []


def _installed(name: str) -> list[str]:
    """Return the files that an install has brought, without those that pip makes."""
    files = [str(file) for file in distribution(name).files or ()]
    made = ("METADATA", "RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", ".pyc")
    found = [file for file in files if not file.endswith(made) and not file.startswith("..")]
    return [file for file in found if not file.endswith("entry_points.txt")]


def _is_a_source(file: str, sources: set[str]) -> bool:
    if ".dist-info/" in file:  # a license
        return Path(file).name in {Path(source).name for source in sources}
    return any(source == file or source.endswith(f"/{file}") for source in sources)
