"""Coverage-guided fuzzing by atheris: of the request parser, and of the configuration loader."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resilience.bar import Bar, Report

TESTS = Path(__file__).resolve().parents[1]
FUZZ = TESTS / "fuzz"
TARGETS = ("parser", "config")


def fuzz(target: str, seconds: int) -> tuple[int, str]:
    """Return how many inputs were tried, and what was found."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(FUZZ / f"{target}.py"), str(seconds), f"{folder}/corpus"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + 120,
            check=False,
        )
    text = done.stdout.decode("utf-8", "replace")
    tried = re.search(r"stat::number_of_executed_units: (\d+)", text)
    found = "" if done.returncode == 0 and tried else f"exit code {done.returncode}: {text[-2000:]}"
    return int(tried[1]) if tried else 0, found


def without_atheris(report: Report) -> None:
    """Try the seeds of the configurations, each with a few bytes changed."""
    from fuzz.seeds import changed, load  # noqa: PLC0415

    texts = [load(text) for text in changed(2000)]
    report.expect(True, f"{len(texts)} configurations without atheris, {sum(texts)} accepted")


def run(size: int, report: Report) -> None:
    """Fuzz each for so many seconds."""
    if importlib.util.find_spec("atheris") is None or size < 2:
        report.expect(size < 2, "atheris is not installed" if size > 1 else "atheris is not used")
        without_atheris(report)
        return
    with ThreadPoolExecutor(len(TARGETS)) as pool:
        for target, (tried, found) in zip(
            TARGETS, pool.map(lambda target: fuzz(target, size), TARGETS), strict=True
        ):
            report.figure(f"{target}: {tried} inputs in {size} s")
            report.expect(not found, found or "0 findings")


BAR = Bar(3, "fuzz", "nothing escapes the parser and the configuration loader", 60, 1, run)
