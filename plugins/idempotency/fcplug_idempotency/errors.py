"""The errors that callers see; each name is an errorType."""

from fcplug.errors import FcplugError


class IdempotencyConflict(FcplugError):  # noqa: N818 - the name is the errorType
    """A call has the key of another one, and a different payload."""


class InvocationInProgress(FcplugError):  # noqa: N818 - the name is the errorType
    """Another call with the same key has not ended yet."""


class StoreUnavailable(FcplugError):  # noqa: N818 - the name is the errorType
    """The store cannot be used, so it is not known whether the event has acted before."""
