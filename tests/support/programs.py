"""Programs of the system that a test needs beside Python."""

import os
import shutil

import pytest


def needed(name: str) -> str:
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"this test needs the program {name}: .ci/run must install it")
    if found is None:
        pytest.skip(f"this test needs the program {name}")
    return found
