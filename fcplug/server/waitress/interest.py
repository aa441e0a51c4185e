"""Which events of which sockets the loop waits for."""

import contextlib
import selectors
from typing import Any, Protocol

from fcplug.server.waitress.busy_poll import BusyPoll

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Watched(Protocol):
    """A connection or the listener.

    Attributes:
        interest: the events that are registered; 0 while it is not.
    """

    interest: int
    _fileno: Any  # None once it is closed

    def wanted(self) -> int:
        """Return the events that it waits for now."""


class Interests:
    """The registered events of all sockets."""

    def __init__(self, *, busy_poll: bool = True) -> None:
        self._selector = selectors.DefaultSelector()
        self.wait = BusyPoll(self._selector.select, enabled=busy_poll).wait
        self.close = self._selector.close

    def add(self, fileno: int, at: object) -> None:
        """Register a descriptor that is read as long as the loop runs."""
        self._selector.register(fileno, READ, at)

    def update(self, at: Watched, *, leave_in: bool = True) -> None:
        """Register the events that a connection, or the listener, waits for now.

        A connection waits for nothing while its request is answered. It stays registered all the
        same (``leave_in``): most clients send nothing meanwhile, so this saves two system
        calls for each request. If bytes do come it is unregistered. The thread that answers it
        then pulls the trigger, so that its interest is updated once more.

        Raises:
            OSError: other code has closed the descriptor.
            KeyError: the same, and the selector has noticed it before.
        """
        while at._fileno is not None:
            wanted = at.wanted()
            before = at.interest
            if wanted == before or (not wanted and before == READ and leave_in):
                return
            at.interest = wanted
            if not wanted:
                self._selector.unregister(at._fileno)
            elif before:
                self._selector.modify(at._fileno, wanted, at)
            else:
                self._selector.register(at._fileno, wanted, at)

    def remove(self, at: Watched) -> None:
        """Stop watching a connection, or the listener."""
        if at.interest:
            at.interest = 0
            with contextlib.suppress(KeyError):  # its descriptor was closed by other code
                self._selector.unregister(at._fileno or 0)
