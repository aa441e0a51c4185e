"""Authenticate callers outside of Function Compute.

A caller sends a token or signs its requests. On FC the platform is the only caller, so nothing is
checked there.
"""

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fcplug import protocol
from fcplug.config.model import AuthEntry
from fcplug.web.environ import peek_body, target_of
from fcplug.web.replay import ReplayMemory, folder_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

WINDOW = 300  # seconds that a signature's time may differ from the clock
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v2=([0-9a-f]{64})")
_FIELD = protocol.environ_key(protocol.SIGNATURE)
_OF_FC = protocol.environ_key(protocol.PREFIX)
_VERSION_1 = re.compile(r"t=[0-9]{1,12},v1=[0-9a-f]{64}")

log = logging.getLogger("fcplug")


class Message(NamedTuple):
    """The parts of a request that a signature covers.

    ``target`` is the path with its query, as it is sent. Only FC's headers (``x-fc-*``) that are
    not empty count.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Gate = Callable[["WSGIEnvironment"], str]
"""Returns the reason to reject a request, or an empty string."""


def gate(entry: AuthEntry, environ: Mapping[str, str]) -> Gate:
    """Return the gate that ``runtime.auth`` configures.

    ``environ`` is the environment of the process.
    """
    if entry.tokens:
        token = Token(entry.tokens)
        return lambda sent: token.reason_to_reject(sent.get("HTTP_AUTHORIZATION", ""))
    signature = Signature(entry.keys, ReplayMemory(folder_of(environ), WINDOW))
    return lambda sent: signature.reason_to_reject(sent.get(_FIELD, ""), _message_of(sent))


def sign(key: str, moment: int, message: Message) -> str:
    """Return the signature header of a message.

    ``moment`` is the time of sending, in Unix seconds.
    """
    mac = hmac.new(key.encode(), _covered(moment, message), hashlib.sha256)
    return f"t={moment},v2={mac.hexdigest()}"


class Token:
    """Accepts requests with ``Authorization: Bearer`` and one of the tokens."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._wanted = [f"Bearer {token}".encode() for token in tokens]

    def reason_to_reject(self, authorization: str) -> str:
        """Return the reason to reject a request, or an empty string."""
        sent = authorization.encode("latin-1", "replace")
        # compare with all tokens: the duration must not reveal which one is similar
        matches = [hmac.compare_digest(sent, wanted) for wanted in self._wanted]
        return "" if any(matches) else "the Authorization header holds no valid token"


class Signature:
    """Accepts recently signed requests, each signature once."""

    def __init__(self, keys: Sequence[str], memory: ReplayMemory) -> None:
        self._keys = keys
        self._memory = memory
        try:
            memory.prepare()
        except OSError as error:
            self._log(error)

    def reason_to_reject(self, signature: str, message: Message) -> str:
        """Return the reason to reject a request, or an empty string."""
        match = _SIGNATURE.fullmatch(signature)
        if match is None:
            if _VERSION_1.fullmatch(signature):
                return "the signature has version 1, which is not accepted: use version 2"
            return "the request is not signed"
        moment, now = int(match[1]), time.time()
        if abs(now - moment) > WINDOW:
            return f"the signature's time differs by more than {WINDOW} seconds from the clock"
        expected = [sign(key, moment, message) for key in self._keys]
        matches = [hmac.compare_digest(signature, each) for each in expected]
        if not any(matches):
            return "the signature does not match this request"
        try:
            return self._memory.reason_to_reject(bytes.fromhex(match[2]), moment, now)
        except OSError as error:  # a signature that is not stored could be used again
            self._log(error)
            return "signatures cannot be checked at the moment"

    def _log(self, error: OSError) -> None:
        log.error(
            "signed requests are rejected because used signatures cannot be stored: %s; "
            "TMPDIR names the folder of their files",
            error,
        )


def _message_of(environ: "WSGIEnvironment") -> Message:
    """Return the signed parts of a request; its body can be read again afterwards."""
    body = peek_body(environ)
    headers = {
        key.removeprefix("HTTP_").replace("_", "-"): value
        for key, value in environ.items()
        if key.startswith(_OF_FC)
    }
    return Message(environ["REQUEST_METHOD"], target_of(environ), headers, body)


def _covered(moment: int, message: Message) -> bytes:
    """Return the signed lines; no part of a request can contain a line break."""
    headers = {name.lower(): value.strip(" \t") for name, value in message.headers.items()}
    lines = [
        "fcplug-v2",
        str(moment),
        message.method,
        message.target,
        *sorted(
            f"{name}:{value}"
            for name, value in headers.items()
            if value and name.startswith(protocol.PREFIX)
        ),
        hashlib.sha256(message.body).hexdigest(),
    ]
    return "\n".join(lines).encode("latin-1")
