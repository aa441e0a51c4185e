"""Who may call, outside Function Compute: a token, or a signature over the whole request.

On FC the platform is the only caller and sends neither; there nothing is checked.
"""

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

WINDOW = 300  # seconds that a signature's time may be off
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


class Request(NamedTuple):
    """What a caller shows, and what its signature covers."""

    authorization: str
    signature: str
    method: str
    path: str
    function: str
    body: bytes


class Gate(Protocol):
    """Says who may come in."""

    def refusal(self, request: Request) -> str:
        """Return why a request is refused, empty if it is not."""


def sign(key: str, moment: int, request: Request) -> str:
    """Return the signature header's value for a request sent at ``moment``, in Unix seconds."""
    digest = hashlib.sha256(request.body).hexdigest()
    parts = (str(moment), request.method, request.path, request.function, digest)
    mac = hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


class Token:
    """Lets in who sends ``Authorization: Bearer`` and one of the tokens."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._wanted = [f"Bearer {token}".encode() for token in tokens]

    def refusal(self, request: Request) -> str:
        """Return why a request is refused, empty if it is not."""
        sent = request.authorization.encode("latin-1", "replace")
        # no early end: the time must not tell how many tokens there are, or which is close
        matches = [hmac.compare_digest(sent, wanted) for wanted in self._wanted]
        return "" if any(matches) else "the Authorization header holds no valid token"


class Signature:
    """Lets in who signed the request with one of the keys, lately, and only once.

    ``most_seen`` signatures are remembered at once; more in one window are refused.
    """

    def __init__(self, keys: Sequence[str], most_seen: int = 100_000) -> None:
        self._keys = keys
        self._most_seen = most_seen
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}

    def refusal(self, request: Request) -> str:
        """Return why a request is refused, empty if it is not."""
        match = _SIGNATURE.fullmatch(request.signature)
        if match is None:
            return "the request is not signed"
        moment, now = int(match[1]), time.time()
        if abs(now - moment) > WINDOW:
            return f"the signature's time is more than {WINDOW} seconds off"
        made = [sign(key, moment, request) for key in self._keys]
        matches = [hmac.compare_digest(request.signature, each) for each in made]
        if not any(matches):
            return "the signature is not that of this request"
        return "" if self._is_new(match[2], moment, now) else "the signature was used before"

    def _is_new(self, mac: str, moment: int, now: float) -> bool:
        with self._lock:
            if len(self._seen) >= self._most_seen:
                self._seen = {mac: end for mac, end in self._seen.items() if end > now}
            if mac in self._seen or len(self._seen) >= self._most_seen:
                return False
            self._seen[mac] = moment + WINDOW
            return True
