"""The handler that fcplug serves: FC's own signature, and nothing of fcplug."""

import os
from typing import Any

ECHO = bool(os.environ.get("BENCH_ECHO"))


def handle(event: bytes, _context: Any) -> bytes:
    return event if ECHO else b"Hello, World!"
