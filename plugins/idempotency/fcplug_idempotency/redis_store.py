"""Records in Redis, for instances that share no file system.

Each operation is one script, so it is atomic. Times are those of the server: instances whose
clocks differ agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from fcplug_idempotency.errors import StoreUnavailable
from fcplug_idempotency.record import Beginning, Begun, Claim, Differs, Done, InProgress

_PATIENCE = 5.0  # seconds for the server to answer
_BEGIN = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local payload, token, lease, expiry = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local r = redis.call('HMGET', KEYS[1], 'payload', 'state', 'token', 'lease', 'until', 'result')
if r[1] then
  if r[1] ~= payload then return {'differs'} end
  if r[2] == 'done' then return {'done', r[6]} end
  local left = tonumber(r[5]) - now
  if r[2] == 'in progress' and r[3] ~= token and left > 0 then
    if left > tonumber(r[4]) then
      left = tonumber(r[4])
      redis.call('HSET', KEYS[1], 'until', now + left)
    end
    return {'in progress', left}
  end
end
redis.call('HSET', KEYS[1], 'payload', payload, 'state', 'in progress', 'token', token,
  'lease', lease, 'until', now + lease)
redis.call('PEXPIRE', KEYS[1], math.max(lease, expiry))
return {'begun'}
"""
_END = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'result', ARGV[3])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[4]))
return 1
"""


class RedisStore:
    """A store on a server of Redis.

    Args:
        url: ``redis://`` or ``rediss://``; its password is in no error.

    Raises:
        ValueError: the client of Redis is not installed, or the URL is malformed.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis  # noqa: PLC0415 - an extra, for those who use Redis
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError:
            raise ValueError(
                "store: Redis needs its client: pip install 'fcplug-idempotency[redis]'"
            ) from None
        try:
            parts = urlsplit(url)
            self._server = f"{parts.hostname}:{parts.port or 6379}"
            self._redis: Any = redis.Redis.from_url(
                url,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 1),  # a freeze may have ended the kept connection
            )
        except ValueError:
            raise ValueError(
                "store: the URL of Redis is malformed: redis://[[user]:password@]host[:port][/db]"
            ) from None
        self._error = redis.RedisError

    def begin(self, claim: Claim) -> Beginning:
        """Hold the record for a call, or say why that cannot be."""
        lease, expiry = _milliseconds(claim.lease), _milliseconds(claim.expiry)
        with self._reported():
            state, *more = self._redis.eval(
                _BEGIN, 1, _name(claim), claim.payload, claim.token, lease, expiry
            )
        if state == b"begun":
            return Begun()
        if state == b"done":
            return Done(more[0])
        return InProgress(more[0] / 1000) if state == b"in progress" else Differs()

    def finish(self, claim: Claim, result: bytes) -> bool:
        """Keep the result; return False if the record is not held for this call any more."""
        return self._end(claim, "done", result)

    def fail(self, claim: Claim) -> None:
        """Let the next call run, if the record is held for this one."""
        self._end(claim, "failed", b"")

    def _end(self, claim: Claim, state: str, result: bytes) -> bool:
        expiry = _milliseconds(claim.expiry)
        with self._reported():
            return bool(self._redis.eval(_END, 1, _name(claim), claim.token, state, result, expiry))

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            # the text of the error may hold what the URL holds
            raise StoreUnavailable(
                f"the store Redis at {self._server} cannot be used ({type(error).__name__}): see "
                "that it runs, can be reached, accepts the credentials and has memory left"
            ) from None


def _name(claim: Claim) -> str:
    return f"fcplug:idempotency:{claim.key}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
