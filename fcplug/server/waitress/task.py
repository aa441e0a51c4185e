"""The answer to one request, from the application or from the server itself."""

import logging
import sys
from collections.abc import Callable, Iterable, Sized
from typing import TYPE_CHECKING

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.task import ErrorTask

from fcplug.server.answer_heads import CONTENT_LENGTH, AnswerError, check_fields
from fcplug.server.refusal import FAILED
from fcplug.server.waitress.answer import Answer
from fcplug.web.environ import COOKIES, HEALTH_CHECK

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("fcplug.server")

OF_EACH_REQUEST = (
    "REQUEST_METHOD",
    "SERVER_PROTOCOL",
    "PATH_INFO",
    "REQUEST_URI",
    "QUERY_STRING",
    "wsgi.errors",
    "wsgi.input",
    HEALTH_CHECK,
)


class AnswerTask(Answer):
    """The application's answer."""

    def execute(self) -> None:
        """Call the application and send its answer, as PEP 3333 says."""
        body = self.channel.server.application(self.get_environment(), self.start_response)
        is_sent = False
        try:
            is_sent = isinstance(body, ReadOnlyFileBasedBuffer) and self._send_file(body)
            if not is_sent:
                self._send_chunks(body)
        finally:
            if not is_sent and hasattr(body, "close"):
                body.close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None
    ) -> Callable[[bytes], object]:
        """Take the status and the fields; return ``write``.

        A head that was sent before needs no check.

        Raises:
            AnswerError: they cannot be sent, or came before and ``exc_info`` is not given.
            BaseException: that of ``exc_info``, if the head was sent already.
        """
        if self.complete and (self.wrote_header or not exc_info):
            if exc_info and exc_info[1]:
                raise exc_info[1].with_traceback(exc_info[2])
            raise AnswerError("start_response was called twice, and not with the error as exc_info")
        fields = list(headers)
        known = self._known = self.request.adj.answer_heads.find(status, fields)
        self.content_length = known.length if known else check_fields(status, fields)
        self.status, self.response_headers, self.complete = status, fields, True
        return self.write

    def _send_file(self, file: ReadOnlyFileBasedBuffer) -> bool:
        """Send a file, which the connection closes; return False if its size is not known."""
        size = file.prepare(self.content_length)
        if not size:
            return False
        if size != self.content_length:
            self._known = None
            self.content_length = size
            fields = self.response_headers
            self.response_headers = [each for each in fields if each[0].lower() != CONTENT_LENGTH]
        self.write(b"")
        self.channel.write_soon(file)
        return True

    def _send_chunks(self, body: Iterable[bytes]) -> None:
        """Send the parts of the body as they come; a single one gives the length."""
        for chunk in body:
            if self.content_length is None and not self.wrote_header and _has_one(body):
                self.content_length = len(chunk)
            if chunk:
                self.write(chunk)
        length, sent = self.content_length, self.content_bytes_written
        if length is not None and sent != length and self.request.command != "HEAD":
            log.warning(
                "the application's body has %d bytes; its Content-Length is %d", sent, length
            )
            self.close_on_finish = True
            self._close_after()

    def get_environment(self) -> "WSGIEnvironment":
        """Return the WSGI environ; unlike waitress's, it keeps the path's leading slashes.

        It begins with what is the same for all requests of the connection.
        """
        request = self.request
        environ: WSGIEnvironment = request.headers
        environ["REQUEST_METHOD"] = request.command
        environ["SERVER_PROTOCOL"] = f"HTTP/{self.version}"
        environ["PATH_INFO"] = request.path
        environ["REQUEST_URI"] = request.request_uri
        environ["QUERY_STRING"] = request.query
        environ["wsgi.errors"] = sys.stderr
        environ["wsgi.input"] = request.get_body_stream()
        environ[HEALTH_CHECK] = request.is_health_check
        if request.cookies:
            environ[COOKIES] = "\n".join(request.cookies)
        return environ


class RefusalTask(Answer, ErrorTask):
    """The server's answer to an invalid request; it closes the connection."""

    def execute(self) -> None:
        """Send the refusal."""
        self.channel.refused = True
        self.refuse(self.request.error or FAILED, closes=True)


def _has_one(body: Iterable[bytes]) -> bool:
    """Return whether it has one part, and says so."""
    return isinstance(body, Sized) and len(body) == 1
