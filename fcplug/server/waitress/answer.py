"""The common part of all answers: the head is checked, the body framed, a failure answered."""

import contextlib
import logging
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from waitress.channel import ClientDisconnected
from waitress.task import Task
from waitress.utilities import build_http_date

from fcplug.server.answer_heads import CONTENT_LENGTH, KnownHead, check_head
from fcplug.server.refusal import FAILED, Refusal
from fcplug.server.waitress.output import LARGE
from fcplug.server.waitress.parser import RequestParser
from fcplug.web.response import BodyCut

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fcplug.server")

_WITHOUT_BODY = ("204", "304")


class Server(Protocol):
    """The part of the server that an application's answer uses."""

    application: "WSGIApplication"


class Connection(Protocol):
    """The part of a connection that its answers use."""

    refused: bool
    server: Server

    @property
    def ends_after_answer(self) -> bool:
        """Whether the process is stopping and nothing was received after this request."""

    def reset(self) -> None:
        """Make closing a reset, as if the connection broke."""

    def write_soon(self, data: object) -> int:
        """Send bytes; those that the socket does not take are buffered."""


class Answer(Task):
    """The common part of all answers: it checks the head and frames the body."""

    channel: Connection
    request: RequestParser

    _known: KnownHead | None = None  # of the status and the fields, if they came before
    _sends_body = True  # False for HEAD, 204 and 304; known once the head is built
    _warned = False

    def service(self) -> None:
        """Answer the request; nothing that the application raises leaves this method.

        waitress would answer an Exception with 500 and an OSError with nothing at all; after a
        BaseException its client would never get an answer.
        """
        try:
            self.start_time = time.time()
            self.execute()
            self.finish()
        except ClientDisconnected:
            self.close_on_finish = True
        except BodyCut:
            self._fail()
        except BaseException as error:
            log.error("the application failed to answer", exc_info=error)
            self._fail()

    def build_response_header(self) -> bytes:
        """Return the bytes of the answer's head.

        Raises:
            AnswerError: the status or a field would break the answer's framing.
        """
        if self.channel.ends_after_answer:
            self._close_after()
        plain = self._is_plain()
        if plain and self._known:
            return self._known.data + _date_and_end(int(self.start_time))
        given = set()
        for name, _ in self.response_headers:
            given.add(name.lower())
        has_body = not self.status.startswith(_WITHOUT_BODY)
        sized = has_body and (CONTENT_LENGTH in given or self.content_length is not None)
        fields = self._framed(has_body=has_body, sized=CONTENT_LENGTH in given)
        fields += self._connection(sized=sized)
        lines = [f"HTTP/{self.version} {self.status}", *map(": ".join, fields), ""]
        head = "\r\n".join(lines).encode("latin-1")
        whole = head + (b"\r\n" if "date" in given else _date_and_end(int(self.start_time)))
        check_head(whole)
        if plain and has_body and CONTENT_LENGTH in given and self.content_length is not None:
            known = KnownHead(head, self.content_length)
            self.request.adj.answer_heads.add(self.status, self.response_headers, given, known)
        self._sends_body = has_body
        if self.request.command == "HEAD":
            self._sends_body = self.chunked_response = False
        return whole

    def _is_plain(self) -> bool:
        """Return whether nothing but the status and the fields decides what the head is."""
        request = self.request
        return (
            self.version == "1.1"
            and not self.close_on_finish
            and request.command != "HEAD"
            and request.connection in (None, "keep-alive")
        )

    def _framed(self, *, has_body: bool, sized: bool) -> list[tuple[str, str]]:
        """Return the application's fields, unchanged and in order, plus the body's framing.

        waitress would sort them, write ``Etag`` for ``ETag``, and close after each chunked answer.
        """
        if not has_body:
            return [field for field in self.response_headers if field[0].lower() != CONTENT_LENGTH]
        fields = list(self.response_headers)
        if sized:
            return fields
        if self.content_length is not None:
            fields.append(("Content-Length", str(self.content_length)))
        elif self.version == "1.1":
            fields.append(("Transfer-Encoding", "chunked"))
            self.chunked_response = True
        return fields

    def _connection(self, *, sized: bool) -> list[tuple[str, str]]:
        """Return the Connection field, if any; set whether the connection ends here."""
        asked = (self.request.connection or "").lower()
        if self.version == "1.0" and asked == "keep-alive" and sized:
            return [("Connection", "Keep-Alive")]
        if self.version == "1.1" and asked != "close" and not self.close_on_finish:
            return []
        self.close_on_finish = True
        return [("Connection", "close")]

    def write(self, data: bytes) -> None:
        """Send the head, if it was not sent yet, together with the body's next bytes."""
        if not self.complete:
            raise RuntimeError("start_response was not called before the body was written")
        head = b"" if self.wrote_header else self.build_response_header()
        body = self._framed_body(data) if data else b""
        if len(body) > LARGE:  # not worth copying
            if head:
                self.channel.write_soon(head)
                self.wrote_header = True
            self.channel.write_soon(body)
        elif head or body:
            self.channel.write_soon(head + body)
            self.wrote_header = True

    def _framed_body(self, data: bytes) -> bytes:
        """Return the bytes to send for a part of the application's body."""
        if not self._sends_body:
            if self.request.command != "HEAD":
                self.content_bytes_written += len(data)  # waitress compares it with the length
                self._warn_once("an answer with status %r has no body: it is dropped", self.status)
            return b""
        if self.chunked_response:
            return b"%X\r\n%b\r\n" % (len(data), data)
        if self.content_length is None:
            return data
        part = data[: self.content_length - self.content_bytes_written]
        self.content_bytes_written += len(part)
        if len(part) < len(data):
            message = "the application's body is longer than its Content-Length, %d: it is cut"
            self._warn_once(message, self.content_length)
        return part

    def _warn_once(self, message: str, *values: object) -> None:
        if not self._warned:
            self._warned = True
            log.warning(message, *values)

    def refuse(self, refusal: Refusal, *, closes: bool) -> None:
        """Answer with a refusal, in place of the answer that the application may have begun."""
        self.complete = True
        self.status = refusal.status
        self.response_headers = refusal.fields
        self._known = None
        self.chunked_response = False
        self.content_length = len(refusal.body)
        self.content_bytes_written = 0
        self.close_on_finish = False
        if closes:
            self._close_after()
        self.write(refusal.body)

    def _fail(self) -> None:
        if not self.wrote_header:
            with contextlib.suppress(ClientDisconnected):
                self.refuse(FAILED, closes=False)
                return
        self.close_on_finish = True  # the length shows the client that the rest is missing
        if self.content_length is None and not self.chunked_response:
            self.channel.reset()

    def _close_after(self) -> None:
        """Close the connection after this answer, as if the client had asked for that."""
        self.request.connection = "close"


@lru_cache(maxsize=2)
def _date_and_end(second: int) -> bytes:
    """Return the Date field of a time, in seconds since 1970, and the end of the head."""
    return f"Date: {build_http_date(second)}\r\n\r\n".encode()
