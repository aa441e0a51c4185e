"""The middleware: runs the handler for the first call of a key, and answers the others itself."""

from __future__ import annotations

import math
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fcplug import Context, hookimpl
from fcplug.encoding import encode
from fcplug_idempotency.errors import IdempotencyConflict, InvocationInProgress, StoreUnavailable
from fcplug_idempotency.key import Expression, Field, Header, Key, RequestId, digest
from fcplug_idempotency.record import Begun, Claim, Done, InProgress, Store
from fcplug_idempotency.redis_store import RedisStore
from fcplug_idempotency.sqlite_store import SqliteStore

_LONGEST = 366 * 24 * 3600.0  # seconds
_MARGIN = 5.0  # seconds that a call may need after its deadline to store its result
_NO_DEADLINE = 900.0  # seconds of a lease where the call has no deadline


@dataclass(kw_only=True)
class Idempotency:
    """A middleware that lets the same event act once.

    Attributes:
        store: the path of a file for SQLite, or the URL of Redis or of a table of Tablestore.
        key: the JMESPath of the key in a JSON event; without it and ``header``, the request id.
        header: in place of it the name of a header.
        payload: the JMESPath of what must be the same under one key; without it, the whole event.
        expires: seconds that a result is kept.
        lease: seconds after which a call that did not end counts as dead; without it, the time
            that the call has left.

    Raises:
        ValueError: a setting cannot be used.
    """

    store: str
    key: str | None = None
    header: str | None = None
    payload: str | None = None
    expires: float = 86400.0
    lease: float | None = None
    _store: Store = field(init=False)
    _key: Key = field(init=False)
    _payload: Expression | None = field(init=False)

    def __post_init__(self) -> None:
        for name, seconds in (("expires", self.expires), ("lease", self.lease)):
            if seconds is not None and not 0 < seconds <= _LONGEST:
                raise ValueError(f"{name}: {seconds:g} is not between 0 and {_LONGEST:g} seconds")
        self._key = self._chosen_key()
        self._payload = Expression("payload", self.payload) if self.payload else None
        self._store = _opened(self.store)

    @hookimpl(wrapper=True)
    def invoke(self, event: bytes, context: Context) -> Generator[None, Any, Any]:
        """Answer with the stored result if there is one; else let the handler answer."""
        claim = self._claim(event, context)
        beginning = self._store.begin(claim)
        if isinstance(beginning, Done):
            return beginning.result
        if isinstance(beginning, InProgress):
            raise InvocationInProgress(
                "another call with the same key is in progress: call again when it has ended; if "
                f"it died, in {math.ceil(beginning.left)} seconds"
            )
        if not isinstance(beginning, Begun):
            raise IdempotencyConflict(
                "another call had the same key and a different payload: use a new key"
            )
        try:
            result = encode((yield))
        except BaseException:
            self._fail(claim, context)
            raise
        self._finish(claim, result)
        return result

    def _chosen_key(self) -> Key:
        if self.key is not None and self.header is not None:
            raise ValueError("give either key or header")
        if self.header is not None:
            if not self.header.strip():
                raise ValueError("header: it is empty: name a header, such as idempotency-key")
            return Header(self.header.strip().lower())
        return RequestId() if self.key is None else Field(Expression("key", self.key))

    def _claim(self, event: bytes, context: Context) -> Claim:
        compared = self._payload.value_in(event) if self._payload else event
        left = context.remaining_time()
        lease = self.lease or (_NO_DEADLINE if math.isinf(left) else left + _MARGIN)
        return Claim(
            key=digest(context.entry.encode(), self._key.of(event, context)),
            payload=digest(compared),
            token=uuid.uuid4().hex,
            lease=lease,
            expiry=self.expires,
            caller=context,
        )

    def _finish(self, claim: Claim, result: bytes) -> None:
        try:
            held = self._store.finish(claim, result)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"the handler has run, but its result could not be stored: {error}"
            ) from None
        if not held:
            raise StoreUnavailable(
                "the handler has run, but its result could not be stored: its record is gone, or "
                "its lease was over and another call took it; raise lease if the handler runs on"
            )

    def _fail(self, claim: Claim, context: Context) -> None:
        try:
            self._store.fail(claim)
        except StoreUnavailable as error:
            context.logger.error("the call failed, and its record is held: %s", error)


def _opened(store: str) -> Store:
    if store.startswith(("redis://", "rediss://")):
        return RedisStore(store)
    if store.startswith(("tablestore://", "tablestore+http://")):
        return _tablestore(store)
    if "://" in store:
        raise ValueError(
            "store: give the path of a file, or a URL that begins with redis:// or tablestore://"
        )
    if not store.strip():
        raise ValueError("store: it is empty: give the path of a file, or a URL")
    return SqliteStore(Path(store))


def _tablestore(url: str) -> Store:
    try:
        from fcplug_idempotency.tablestore_store import TablestoreStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ValueError(
            "store: Tablestore needs its SDK: pip install 'fcplug-idempotency[tablestore]' "
            f"({error})"
        ) from None
    return TablestoreStore(url)
