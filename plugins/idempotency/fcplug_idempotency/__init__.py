"""Let the same event act once: repeated calls get the stored result."""

from fcplug_idempotency.errors import IdempotencyConflict, InvocationInProgress, StoreUnavailable
from fcplug_idempotency.middleware import Idempotency

__all__ = ["Idempotency", "IdempotencyConflict", "InvocationInProgress", "StoreUnavailable"]
