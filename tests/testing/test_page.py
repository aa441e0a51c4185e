"""What docs/how-to/testing.md shows is run, as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fcplug.testing import composing, contexts, process_rules

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "testing.md").read_text()
REFERENCE = (DOCS / "reference" / "testing.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the page shows."""
    for text in re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r"# (\S+)\n", text)
        assert name, text
        file = tmp_path / name[1]
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    variables = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    ended = subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    printed = run(folder, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    assert f"{PAGE.count('def test_')} passed" in printed


def test_the_script_of_the_page_runs(folder: Path) -> None:
    lines = run(folder, "without_pytest.py").splitlines()
    assert '"message": "Hello, Ada!"' in "".join(lines[:4])
    assert lines[-1] == "[]"


@pytest.mark.parametrize("values", [contexts.ContextValues, composing.Options])
def test_every_value_that_a_test_may_give_is_in_the_reference(values: type) -> None:
    assert [name for name in values.__annotations__ if f"\n| `{name}` |" not in REFERENCE] == []


def test_every_rule_is_on_the_page() -> None:
    rules = Path(process_rules.__file__).parent.glob("*_rules.py")
    text = "".join(file.read_text() for file in rules)
    for rule in re.findall(r"^\| (it[^|]*) \|", PAGE, re.MULTILINE):
        assert f'"{rule}"' in text
