"""A handler and middleware that do nothing: beside them one plugin can be looked at alone."""

from collections.abc import Generator
from typing import Any

from fcplug.hookspecs import hookimpl

HANDLER = f"{__name__}:handle"
MIDDLEWARE = f"{__name__}:Around"


def handle(event: bytes) -> bytes:
    """Answer with the event."""
    return event


class Around:
    """Middleware that changes nothing."""

    @hookimpl(wrapper=True)
    def invoke(self) -> Generator[None, Any, Any]:
        """Pass the result on."""
        return (yield)
