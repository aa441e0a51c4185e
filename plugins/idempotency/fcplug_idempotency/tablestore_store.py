"""Records in Tablestore, for instances that share neither a file system nor a Redis.

A record is one row. Each write names the token and the state that it replaces as a condition, so
of two instances one wins, and the other reads what won.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fcplug_idempotency.errors import StoreUnavailable
from fcplug_idempotency.record import Beginning, Begun, Claim, Differs, Done, InProgress
from fcplug_idempotency.tablestore_client import Address, Columns, Table, absent, has, new_pool

_PART = 2_000_000  # bytes of a column; Tablestore takes 2 MB
_TRIES = 10  # of a call whose record others change at the same time
_LEAST = 1.0  # seconds to store a result whose call has no time left: it has acted


class TablestoreStore:
    """A store in a table with the primary key ``key``, a string.

    Args:
        url: ``tablestore://`` or, without TLS, ``tablestore+http://``.
        clock: seconds of a clock that all instances share.

    Raises:
        ValueError: the URL is malformed.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._address = Address.parse(url)
        self._clock = clock
        self._pool = new_pool()

    def begin(self, claim: Claim) -> Beginning:
        """Hold the record for a call, or say why that cannot be."""
        table = self._table(claim)
        condition = absent()
        for _ in range(_TRIES):
            if table.put(claim.key, self._in_progress(claim), condition):
                return Begun()
            found = table.get(claim.key)
            if found is None:  # it was removed meanwhile
                condition = absent()
                continue
            if beginning := self._kept(table, claim, found):
                return beginning
            condition = has(token=found["token"], state=found["state"])
        raise StoreUnavailable("the record changes all the time: call again")

    def finish(self, claim: Claim, result: bytes) -> bool:
        """Keep the result; return False if the record is not held for this call any more."""
        table = self._table(claim, _LEAST)
        first, *others = [
            bytearray(result[start : start + _PART])
            for start in range(0, max(1, len(result)), _PART)
        ]
        for number, part in enumerate(others, 1):
            table.put(_part_key(claim.key, claim.token, number), {"result": part})
        columns = {
            "state": "done",
            "expires": _milliseconds(self._clock() + claim.expiry),
            "parts": len(others),
            **({"result": first} if first else {}),
        }
        return table.update(claim.key, columns, has(token=claim.token))

    def fail(self, claim: Claim) -> None:
        """Let the next call run, if the record is held for this one."""
        expires = _milliseconds(self._clock() + claim.expiry)
        columns = {"state": "failed", "expires": expires}
        self._table(claim, _LEAST).update(claim.key, columns, has(token=claim.token))

    def _table(self, claim: Claim, least: float = 0.0) -> Table:
        if claim.caller is None:
            raise StoreUnavailable("a claim needs the context of its call")
        return Table(self._address, self._pool, claim.caller, least)

    def _in_progress(self, claim: Claim) -> Columns:
        now = self._clock()
        return {
            "payload": claim.payload,
            "state": "in progress",
            "token": claim.token,
            "lease": _milliseconds(claim.lease),
            "held_until": _milliseconds(now + claim.lease),
            "expires": _milliseconds(now + max(claim.lease, claim.expiry)),
        }

    def _kept(self, table: Table, claim: Claim, found: Columns) -> Beginning | None:
        """Return what a record says, or None if the call may take it."""
        now = _milliseconds(self._clock())
        if found["expires"] <= now:
            return None
        if found["payload"] != claim.payload:
            return Differs()
        if found["state"] == "done":
            return Done(_result(table, claim.key, found))
        left = found["held_until"] - now
        if found["state"] == "failed" or found["token"] == claim.token or left <= 0:
            return None
        if left > found["lease"]:  # the clock went back: hold it for one lease from now
            left = found["lease"]
            held = has(token=found["token"], state=found["state"])
            table.update(claim.key, {"held_until": now + left}, held)
        return InProgress(left / 1000)


def _result(table: Table, key: str, found: Columns) -> bytes:
    parts: list[Any] = [found.get("result", b"")]
    for number in range(1, found["parts"] + 1):
        row = table.get(_part_key(key, found["token"], number))
        if row is None:
            raise StoreUnavailable(
                "a part of the stored result is gone: the time to live of the table must be "
                "longer than expires"
            )
        parts.append(row["result"])
    return b"".join(parts)


def _part_key(key: str, token: str, number: int) -> str:
    return f"{key}.{token}.{number}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
