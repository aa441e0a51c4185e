"""Programs of the system that a test needs beside Python."""

import os
import shutil

import pytest


def needed(name: str) -> str:
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is None:
        why = f"this test needs the program {name}"
        if os.environ.get("CI"):
            pytest.fail(f"{why}: .ci/run must install it")
        pytest.skip(why)
    return found
