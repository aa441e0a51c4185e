"""Programs of the system that a test needs beside Python."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(name: str) -> str:
    """Return the path of a program; without it the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is None:
        missing(f"this test needs the program {name}")
    return found


def missing(why: str) -> NoReturn:
    """Skip a test that this machine cannot run; in CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"{why}: .ci/run must install it")
    pytest.skip(why)
