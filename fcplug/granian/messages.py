"""What is said to granian: the messages of ASGI, sent and received without an event loop.

granian makes futures for them that are awaited in an event loop; here whoever sends one waits, and
what is received comes to a function. Either way a future is done in one of granian's threads, so
some of these must never wait for one.
"""

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any

Fields = Sequence[tuple[str, str]]

_CONTEXT = contextvars.Context()


class Loop:
    """What granian asks of an event loop: to have its futures' functions called, here at once."""

    def call_soon(self, function: Callable[..., object], *given: Any, **_context: object) -> None:
        """Call the function."""
        function(*given)

    call_soon_threadsafe = call_soon


class Exchange:
    """The messages of one request, and of its answer.

    Attributes:
        started: whether some of the answer was sent.
        gone: whether the client has gone, or its body came to a wrong end.
    """

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher
        self._protocol = watcher.proto
        self.started = False
        self.gone = False

    @property
    def scope(self) -> dict[str, Any]:
        """What ASGI says of a request, before its body."""
        scope: dict[str, Any] = self._watcher.scope
        return scope

    def receive(self, then: Callable[[bytes, bool], None]) -> None:
        """Have ``then`` called with the body's next bytes, and whether more may follow.

        It is not called if the client has gone: ``gone`` tells.
        """

        def received(future: Any) -> None:
            message = future.result()
            self.gone = message["type"] == "http.disconnect"
            then(message.get("body", b""), not self.gone and message["more_body"])

        self._protocol.receive().add_done_callback(received, context=_CONTEXT)

    def watch(self) -> None:
        """Note in ``gone`` when the client goes."""
        self.receive(lambda _data, _more: None if self.gone else self.watch())

    def answer(self, status: int, fields: Fields, body: bytes, *, more: bool = False) -> None:
        """Send the status, the fields and the body's first bytes; wait until more can be sent."""
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        self.started = True
        self._send({"type": "http.response.start", "status": status, "headers": encoded})
        self.send(body, more=more)

    def send(self, data: bytes, *, more: bool = True) -> None:
        """Send further bytes of the body; wait until more can be sent."""
        self._send({"type": "http.response.body", "body": data, "more_body": more})

    def cut(self) -> None:
        """End here: what is incomplete must not look as if it were whole."""
        self._watcher.done()

    def _send(self, message: dict[str, object]) -> None:
        future = self._protocol.send(message)
        if not hasattr(future, "add_done_callback"):
            return  # sent at once
        sent = threading.Event()
        future.add_done_callback(lambda _future: sent.set(), context=_CONTEXT)
        sent.wait()
