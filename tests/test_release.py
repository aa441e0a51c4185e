"""The release: one place for the version, and a workflow that publishes only what was checked."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import fcplug

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "contributing" / "releasing.md").read_text()


def workflow() -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    return jobs["jobs"]  # type: ignore[no-any-return]


def uses(job: str) -> list[str]:
    return [step.get("uses", step.get("run", "")) for step in workflow()[job]["steps"]]


def test_the_version_is_spelled_in_one_place() -> None:
    spelled = re.compile(
        rf"^[\w\s\"]*version[\"\w]* *= *[\"']{re.escape(fcplug.__version__)}[\"']", re.M
    )
    files = [ROOT / "pyproject.toml", *(ROOT / "fcplug").rglob("*.py")]
    found = [file for file in files if spelled.search(file.read_text())]
    assert found == [ROOT / "fcplug" / "__init__.py"]


def test_only_what_was_checked_is_published_and_without_a_token() -> None:
    jobs = workflow()
    assert "make release-check" in uses("build")
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()
    assert "actions/checkout@v4" not in uses("publish"), "no code runs beside the publishing"


def test_the_page_names_every_attestation_of_the_workflow() -> None:
    named = [each.partition("@")[0] for job in workflow() for each in uses(job)]
    attesting = [each for each in named if "attest" in each or "publish" in each]
    assert len(attesting) == 3
    for action in attesting:
        assert f"`{action}`" in PAGE


def test_the_check_of_a_release_is_a_command_of_make() -> None:
    assert "\n    $ make release-check\n" in PAGE
    script = ROOT / ".ci" / "release-check"
    told = subprocess.check_output(["make", "-n", "release-check"], cwd=ROOT, text=True)
    assert ".ci/release-check" in told
    assert script.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", script], check=True)
    for program in ("build", "twine", "check-wheel-contents", "cyclonedx-py"):
        assert program in script.read_text()


@pytest.mark.slow
def test_the_wheel_passes_the_check_of_its_contents(tmp_path: Path) -> None:
    made = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", *made, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("fcplug-*.whl")
    done = subprocess.run(
        [sys.executable, "-m", "check_wheel_contents", str(wheel)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
