"""Who may call, outside Function Compute: who shows a token, or signs the request.

On FC the platform is the only caller and sends neither; there nothing is checked.
"""

import hashlib
import hmac
import io
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fcplug import protocol
from fcplug.config.model import AuthEntry
from fcplug.web.environ import body_of, target_of
from fcplug.web.replay import ReplayMemory, folder_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

WINDOW = 300  # seconds that a signature's time may be off
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v2=([0-9a-f]{64})")
_FIELD = protocol.environ_key(protocol.SIGNATURE)
_OF_FC = protocol.environ_key(protocol.PREFIX)
_VERSION_1 = re.compile(r"t=[0-9]{1,12},v1=[0-9a-f]{64}")

log = logging.getLogger("fcplug")


class Message(NamedTuple):
    """What a signature covers.

    ``target`` is the path with its query, as it is sent. Of ``headers`` those count that are FC's
    (``x-fc-*``) and not empty.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Gate = Callable[["WSGIEnvironment"], str]
"""Returns why a request is refused, empty if it is not."""


def gate(entry: AuthEntry, environ: Mapping[str, str]) -> Gate:
    """Return the gate of ``runtime.auth``; ``environ`` is the environment of the process."""
    if entry.tokens:
        token = Token(entry.tokens)
        return lambda sent: token.reason_to_reject(sent.get("HTTP_AUTHORIZATION", ""))
    signature = Signature(entry.keys, ReplayMemory(folder_of(environ), WINDOW))
    return lambda sent: signature.reason_to_reject(sent.get(_FIELD, ""), _message_of(sent))


def sign(key: str, moment: int, message: Message) -> str:
    """Return the signature header's value for a message sent at ``moment``, in Unix seconds."""
    mac = hmac.new(key.encode(), _covered(moment, message), hashlib.sha256)
    return f"t={moment},v2={mac.hexdigest()}"


class Token:
    """Lets in who sends ``Authorization: Bearer`` and one of the tokens."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._wanted = [f"Bearer {token}".encode() for token in tokens]

    def reason_to_reject(self, authorization: str) -> str:
        """Return why a request is refused that has this header, empty if it is not."""
        sent = authorization.encode("latin-1", "replace")
        # no early end: the time must not tell how many tokens there are, or which is close
        matches = [hmac.compare_digest(sent, wanted) for wanted in self._wanted]
        return "" if any(matches) else "the Authorization header holds no valid token"


class Signature:
    """Lets in who signed the request with one of the keys, lately, and only once."""

    def __init__(self, keys: Sequence[str], memory: ReplayMemory) -> None:
        self._keys = keys
        self._memory = memory
        try:
            memory.prepare()
        except OSError as error:
            self._log(error)

    def reason_to_reject(self, signature: str, message: Message) -> str:
        """Return why a message with this signature is refused, empty if it is not."""
        match = _SIGNATURE.fullmatch(signature)
        if match is None:
            if _VERSION_1.fullmatch(signature):
                return "the signature is of version 1, which does not count: sign by version 2"
            return "the request is not signed"
        moment, now = int(match[1]), time.time()
        if abs(now - moment) > WINDOW:
            return f"the signature's time is more than {WINDOW} seconds off"
        made = [sign(key, moment, message) for key in self._keys]
        matches = [hmac.compare_digest(signature, each) for each in made]
        if not any(matches):
            return "the signature is not that of this request"
        try:
            return self._memory.reason_to_reject(bytes.fromhex(match[2]), moment, now)
        except OSError as error:  # what cannot be remembered could be used again
            self._log(error)
            return "signatures cannot be checked at the moment"

    def _log(self, error: OSError) -> None:
        log.error(
            "signed requests are refused, as used signatures cannot be remembered: %s; "
            "TMPDIR names the folder of their files",
            error,
        )


def _message_of(environ: "WSGIEnvironment") -> Message:
    """Return what a signature covers of a request, whose body can be read again afterwards."""
    body = body_of(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    headers = {
        key.removeprefix("HTTP_").replace("_", "-"): value
        for key, value in environ.items()
        if key.startswith(_OF_FC)
    }
    return Message(environ["REQUEST_METHOD"], target_of(environ), headers, body)


def _covered(moment: int, message: Message) -> bytes:
    """Return the lines that a signature is made of; no part of a request can hold a line end."""
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
