"""The log of the bench while it runs."""

import sys
import time

_BEGUN = time.monotonic()


def log(text: str) -> None:
    """Print a line with the time since the start, on standard error."""
    seconds = int(time.monotonic() - _BEGUN)
    print(f"[{seconds // 60:2}:{seconds % 60:02}] {text}", file=sys.stderr, flush=True)
