"""A disk that is full, and a folder that is read-only: no event acts without a record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

CODE = """
import os

FILLER = os.path.join(os.path.dirname(__file__), "disk", "filler")

def fill(event, context):
    with open(FILLER, "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return "full"

def free(event, context):
    os.unlink(FILLER)
    return "free"

def act(event, context):
    with open("acts.log", "ab") as log:
        log.write(event + b"\\n")
    if b"fill" in event:
        fill(event, context)
    return {"by": context.request_id, "size": "x" * 20000}
"""


def on_disk(folder: Path, options: str) -> list[str]:
    """Return what runs a command with a disk of 256 KiB in a folder."""
    folder.mkdir()
    script = f'mount -t tmpfs -o size=256k none "$0" && {options} exec "$@"'
    under = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]
    if subprocess.run([*under, "true"], check=False, capture_output=True).returncode:
        pytest.skip("the kernel allows no namespaces here")
    return under


def functions(store: Path) -> dict[str, Any]:
    middleware = [{"name": "idempotency", "settings": {"store": str(store), "key": "id"}}]
    return {
        "act": {"handler": "shop:act", "middleware": middleware},
        "fill": {"handler": "shop:fill"},
        "free": {"handler": "shop:free"},
    }


def test_on_a_full_disk_nothing_acts_and_all_goes_on_when_there_is_space(
    start: Any, tmp_path: Path
) -> None:
    under = on_disk(tmp_path / "disk", "")
    instance = start(CODE, functions(tmp_path / "disk" / "records.db"), under)
    log = tmp_path / "acts.log"
    _, first = instance.call("act", {"id": 1})
    instance.call("fill", "")
    for number in (2, 3, 4):
        status, document = instance.call("act", {"id": number})
        assert (status, document["errorType"]) == (404, "StoreUnavailable")
        assert "database or disk is full" in document["errorMessage"]
        assert "have free space" in document["errorMessage"]
    assert log.read_bytes().splitlines() == [b'{"id": 1}']
    instance.call("free", "")
    assert instance.call("act", {"id": 1}) == (200, first)
    status, second = instance.call("act", {"id": 2})
    assert instance.call("act", {"id": 2}) == (status, second) == (200, second)
    status, document = instance.call("act", {"id": 5, "fill": True})
    assert document["errorType"] == "StoreUnavailable"
    assert document["errorMessage"].startswith("the handler has run, but its result could not be")
    instance.call("free", "")
    _, document = instance.call("act", {"id": 5, "fill": True})
    assert document["errorType"] == "InvocationInProgress"  # it does not act again
    assert log.read_bytes().count(b'"id": 5') == 1


def test_in_a_read_only_folder_nothing_acts(start: Any, tmp_path: Path) -> None:
    under = on_disk(tmp_path / "disk", 'mount -o remount,ro "$0" &&')
    instance = start(CODE, functions(tmp_path / "disk" / "records.db"), under)
    for number in (1, 2):
        status, document = instance.call("act", {"id": number})
        assert (status, document["errorType"]) == (404, "StoreUnavailable")
        assert "its folder must exist, be mounted and writable" in document["errorMessage"]
    assert not (tmp_path / "acts.log").exists()
