"""The handler ``hello``: greets the person whom the event names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fcplug import Context


def handle(event: bytes, context: Context) -> dict[str, str]:
    """Return a greeting for the name in the event, or for the world when it is empty.

    The setting ``greeting`` replaces ``Hello``. An event may be any bytes: those that are not
    UTF-8 appear as U+FFFD in the answer.
    """
    name = event.decode(errors="replace").strip() or "world"
    return {"message": f"{context.settings.get('greeting', 'Hello')}, {name}!"}
