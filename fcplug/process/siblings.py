"""How the processes of one supervisor reach each other, past it."""

import logging
import mmap
import select
import socket
import threading
import time
from collections.abc import Callable

log = logging.getLogger("fcplug.supervisor")

_MAX_BYTES = 128 * 1024  # bytes of a message
_ANSWERED = b"="  # begins every answer: no bytes at all mean that the other end is gone


class Mailboxes:
    """A mailbox for each process there may be, made before they are forked.

    Which ones are taken is a shared page that the supervisor alone writes: a process that is not
    there is not waited for.
    """

    def __init__(self, count: int) -> None:
        self.pairs = [
            socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)
        ]
        self._taken = mmap.mmap(-1, count)

    @property
    def taken(self) -> list[int]:
        """The numbers of the mailboxes that have an owner."""
        return [number for number in range(len(self.pairs)) if self._taken[number]]

    def acquire(self) -> int:
        """Return the number of a mailbox that was free."""
        number = self._taken.find(b"\0")
        self._taken[number] = 1
        return number

    def release(self, number: int) -> None:
        """Let the next process have the mailbox."""
        self._taken[number] = 0

    def close(self) -> None:
        """Close them all."""
        for ends in self.pairs:
            for end in ends:
                end.close()


class Siblings:
    """The processes beside this one; asks them, and answers them."""

    def __init__(self, mailboxes: Mailboxes, own: int) -> None:
        self._mailboxes = mailboxes
        self._own = own

    def answer(self, handle: Callable[[bytes], bytes]) -> None:
        """Answer what siblings ask from now on: one message at a time, in a thread of its own."""
        inbox = self._mailboxes.pairs[self._own][1]
        threading.Thread(
            target=_answer, args=(inbox, handle), name="fcplug-siblings", daemon=True
        ).start()

    def ask(self, message: bytes, timeout: float) -> list[bytes | None]:
        """Ask all siblings at once; return one answer for each.

        None stands for a sibling that ended instead, failed, or took longer than ``timeout``
        seconds. A message is at most 128 KiB.
        """
        until = time.monotonic() + timeout
        others = [number for number in self._mailboxes.taken if number != self._own]
        replies = [_post(self._mailboxes.pairs[number][0], message) for number in others]
        return [_receive(reply, until) for reply in replies]


def _post(mailbox: socket.socket, message: bytes) -> socket.socket:
    """Send the message with the way back in it: closed when nobody is left who could answer."""
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
        for fd in fds:  # none when there was no descriptor left for it
            with socket.socket(fileno=fd) as reply:
                _reply(reply, handle, message)


def _reply(reply: socket.socket, handle: Callable[[bytes], bytes], message: bytes) -> None:
    if select.select([reply], [], [], 0)[0]:
        return  # who asked has given up: a message may wait until a mailbox has its next owner
    try:
        reply.send(_ANSWERED + handle(message))
    except BaseException as error:
        log.error("a sibling's question failed", exc_info=error)
