"""What all parts of events have in common: frozen, and tolerant of fields they do not know."""

import msgspec


class Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Part of an event whose fields are written ``likeThis``."""


class Pascal(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Part of an event whose fields are written ``LikeThis``."""
