"""Middleware that changes nothing."""

from collections.abc import Generator
from typing import Any

from fcplug import hookimpl


class Pass:
    @hookimpl(wrapper=True)
    def invoke(self, event: bytes, context: Any) -> Generator[None, Any, Any]:  # noqa: ARG002
        return (yield)
