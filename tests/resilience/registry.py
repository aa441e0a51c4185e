"""All bars there are."""

import importlib

from resilience.bar import Bar

MODULES = (
    "malformed",
    "differential",
    "fuzzed",
    "soak",
    "drain",
    "reloads",
    "neighbours",
    "kill9",
    "crashes",
    "clients",
    "freeze",
    "bodies",
    "bombs",
    "settle",
    "contract",
    "unread",
    "chunks",
    "signals",
    "plugins",
    "remembered",
)


def bars() -> list[Bar]:
    """Return every bar, in order."""
    found: list[Bar] = [importlib.import_module(f"resilience.{name}").BAR for name in MODULES]
    return sorted(found, key=lambda bar: bar.number)
