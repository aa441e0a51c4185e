"""The base types of all parts of events: frozen, and unknown fields are ignored."""

import msgspec


class Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Part of an event whose fields are written ``likeThis``."""


class Pascal(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Part of an event whose fields are written ``LikeThis``."""
