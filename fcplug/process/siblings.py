"""Messages between the processes of one supervisor, without the supervisor in between.

Each process has a mailbox: a pair of sockets that exists before the fork, so that all processes
have both ends. A question and its answer::

    asking process                               sibling
      creates a socket pair for the answer
      question + one end of the pair ──mailbox──▶  one thread reads the mailbox
      closes its copy of that end                  handles the message
      ◀─────────────── the pair ────────────────   "=" + answer, closes its end

If the sibling dies, the last copy of that end is closed, and the asking process reads the end of
the stream instead of an answer. It waits for no process that has already ended: the supervisor
marks the mailboxes in use on a page of memory that all of them share.
"""

import logging
import mmap
import select
import socket
import threading
import time
from collections.abc import Callable

log = logging.getLogger("fcplug.supervisor")

_MAX_BYTES = 128 * 1024  # of a message
_ANSWERED = b"="  # the start of every answer; no bytes at all mean that the sibling has ended


class Mailboxes:
    """The mailboxes of all processes that can exist at once; create them before the fork.

    Only the supervisor acquires and releases them.
    """

    def __init__(self, count: int) -> None:
        self.pairs = [
            socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)
        ]
        self._taken = mmap.mmap(-1, count)

    @property
    def taken(self) -> list[int]:
        """The numbers of the mailboxes that a process owns."""
        return [number for number in range(len(self.pairs)) if self._taken[number]]

    def acquire(self) -> int:
        """Mark a free mailbox as owned, and return its number."""
        number = self._taken.find(b"\0")
        self._taken[number] = 1
        return number

    def release(self, number: int) -> None:
        """Mark the mailbox as free for the next process."""
        self._taken[number] = 0

    def close(self) -> None:
        """Close them all."""
        for ends in self.pairs:
            for end in ends:
                end.close()


class Siblings:
    """The other processes of the supervisor: asks them, and answers their questions."""

    def __init__(self, mailboxes: Mailboxes, own: int) -> None:
        self._mailboxes = mailboxes
        self._own = own

    def answer(self, handle: Callable[[bytes], bytes]) -> None:
        """Start a thread that answers the questions of siblings, one after the other."""
        inbox = self._mailboxes.pairs[self._own][1]
        threading.Thread(
            target=_answer, args=(inbox, handle), name="fcplug-siblings", daemon=True
        ).start()

    def ask(self, message: bytes, timeout: float) -> list[bytes | None]:
        """Ask all siblings at once; return the answer of each.

        The answer is None if the sibling ended, failed, or took longer than ``timeout`` seconds.
        A message has at most 128 KiB.
        """
        until = time.monotonic() + timeout
        others = [number for number in self._mailboxes.taken if number != self._own]
        replies = [_post(self._mailboxes.pairs[number][0], message) for number in others]
        return [_receive(reply, until) for reply in replies]


def _post(mailbox: socket.socket, message: bytes) -> socket.socket:
    """Send a message with a socket for the answer; return the socket to read it from."""
    reply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            socket.send_fds(mailbox, [message], [theirs.fileno()], socket.MSG_DONTWAIT)
        except OSError as error:
            log.warning("a sibling cannot be asked: %s", error)
    return reply


def _receive(reply: socket.socket, until: float) -> bytes | None:
    with reply:
        reply.settimeout(max(0.0, until - time.monotonic()))
        try:
            answer = reply.recv(_MAX_BYTES)
        except OSError:
            return None
    return answer[1:] if answer else None


def _answer(inbox: socket.socket, handle: Callable[[bytes], bytes]) -> None:
    while True:
        message, fds, _, _ = socket.recv_fds(inbox, _MAX_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        for fd in fds:  # none if this process has no descriptor left
            with socket.socket(fileno=fd) as reply:
                _reply(reply, handle, message)


def _reply(reply: socket.socket, handle: Callable[[bytes], bytes], message: bytes) -> None:
    if select.select([reply], [], [], 0)[0]:
        return  # the other end is closed: the message waited for the next owner of the mailbox
    try:
        reply.send(_ANSWERED + handle(message))
    except BaseException as error:
        log.error("a sibling's question failed", exc_info=error)
