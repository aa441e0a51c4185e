"""Give handlers the event as the type that they annotate."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fcplug.errors import PluginError
from fcplug.plugins import annotation
from fcplug.plugins.hooks import MARK, name_of, wraps

EVENT_TYPE = "__fcplug_event_type__"
"""The attribute of an invoke hook that holds the type by which its event is annotated."""


def typed(
    hook: Callable[..., Any], annotated: Callable[..., Any], *, plain: bool
) -> Callable[..., Any]:
    """Return an invoke hook that receives the event as the annotated type.

    ``annotated`` is what the author wrote: the hook itself, or the ``plain`` function behind it.
    A hook that takes the raw bytes is returned unchanged.

    Raises:
        PluginError: an event cannot be decoded to this type.
    """
    kind = annotation.event_type(annotated, by_position=plain)
    if kind is Any or kind is bytes:
        return hook
    decode = _decoder(kind, name_of(annotated), wrapper=wraps(getattr(hook, MARK)))
    if decode is None:
        return hook
    at = list(inspect.signature(hook).parameters).index("event")

    @functools.wraps(hook)
    def invoke(*given: Any) -> Any:
        return hook(*given[:at], decode(given[at]), *given[at + 1 :])

    setattr(invoke, EVENT_TYPE, kind)
    return invoke


def _decoder(kind: Any, name: str, *, wrapper: bool) -> Callable[[bytes], Any] | None:
    """Return the decoder of a type, None if the type needs none."""
    from fcplug.events import decoding  # noqa: PLC0415 - for annotated handlers only

    what = f"{name}(event: {decoding.type_name(kind)})"
    try:
        decode = decoding.decoder(kind)
    except TypeError as error:
        raise PluginError(
            "PluginInvalid",
            f"{what} asks for an event that cannot be decoded: {error}",
            fix=f"annotate the event with {decoding.SUPPORTED}, or with bytes for the raw event",
        ) from error
    if decode and wrapper:
        raise PluginError(
            "PluginInvalid",
            f"the wrapper {what} asks for a decoded event, but middleware receives raw bytes",
            fix="annotate it with bytes, and decode what you need: fcplug.events.decode(event, "
            f"{decoding.type_name(kind)})",
        )
    return decode
