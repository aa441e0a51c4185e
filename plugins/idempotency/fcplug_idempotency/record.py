"""What a store keeps of a call, and what it says when a call begins.

The states of a record::

    (none) ──begin──▶ in progress ──finish──▶ done      the result is returned again
                        │      ▲
                        │      └──begin── failed        the next call runs the handler again
                        ├──fail──────────▶ ▲
                        └──lease over: the next begin takes the record, with a token of its own

Only the call whose token is in the record may finish it or let it fail. A record is forgotten when
it expires. Key and payload are hashes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from fcplug import Context


@dataclass(frozen=True)
class Claim:
    """What a call asks for; times are in seconds.

    Attributes:
        key: the hash of the key.
        payload: the hash of what must be the same under one key.
        token: identifies this call.
        lease: how long the record is held for this call if it does not end.
        expiry: how long the record is kept.
        caller: the context of the call, for a store that signs with the keys of the call.
    """

    key: str
    payload: str
    token: str
    lease: float
    expiry: float
    caller: Context | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Begun:
    """The record is now held for this call."""


@dataclass(frozen=True)
class Done:
    """A call with this key is done; holds its result."""

    result: bytes


@dataclass(frozen=True)
class InProgress:
    """Another call holds the record, for ``left`` more seconds at most."""

    left: float


@dataclass(frozen=True)
class Differs:
    """The record is of another payload."""


Beginning = Begun | Done | InProgress | Differs


class Store(Protocol):
    """Keeps records for all threads, processes and instances.

    All methods raise StoreUnavailable.
    """

    def begin(self, claim: Claim) -> Beginning:
        """Hold the record for a call, or say why that cannot be."""

    def finish(self, claim: Claim, result: bytes) -> bool:
        """Keep the result; return False if the record is not held for this call any more."""

    def fail(self, claim: Claim) -> None:
        """Let the next call run, if the record is held for this one."""
