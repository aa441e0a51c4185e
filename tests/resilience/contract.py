"""What the server relies upon in waitress is held by tests of its own."""

import re
import subprocess
import sys
from pathlib import Path

from resilience.bar import Bar, Report

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/server/waitress/test_waitress_contract.py"


def run(_size: int, report: Report) -> None:
    """Run these tests, which compare the stubs of ``typings`` with the waitress there is."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    report.figure(f"{passed[1] if passed else 0} contract tests")
    report.expect(done.returncode == 0, f"exit code {done.returncode}")
    if done.returncode:
        report.missed.append(done.stdout[-1000:])


BAR = Bar(15, "contract", "what is used of waitress's insides has a test", 1, 1, run)
