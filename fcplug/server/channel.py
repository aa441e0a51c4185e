"""One connection."""

import logging
from typing import TYPE_CHECKING

from waitress.channel import HTTPChannel

from fcplug.server.task import AnswerTask

if TYPE_CHECKING:
    from waitress.parser import HTTPRequestParser

    from fcplug.server.limits import Settings

log = logging.getLogger("fcplug.server")


class Channel(HTTPChannel):
    """A connection whose reads have deadlines and that no error of a request can wedge."""

    task_class = AnswerTask
    adj: "Settings"
    parting = False  # the answer to the last request in hand closes the connection

    _stage: "tuple[HTTPRequestParser | None, bool]" = (None, False)
    _since = 0.0

    @property
    def busy(self) -> bool:
        """Whether a request is being received, answered or its answer sent."""
        return bool(
            self.requests or self.request or self.total_outbufs_len or self.close_when_flushed
        )

    def service(self) -> None:
        """Answer the first request; a failure of the answering itself closes the connection."""
        try:
            super().service()
        except BaseException as error:
            log.error("a request broke its connection", exc_info=error)
            with self.requests_lock:
                for request in self.requests:
                    request.close()
                self.requests = []
                self.close_when_flushed = True
            self.server.pull_trigger()

    def credit(self, frozen: float, frozen_wall: float) -> None:
        """Take the time that the process did not run off this connection's clocks."""
        self._since += frozen
        self.last_activity += frozen_wall

    def check(self, now: float, now_wall: float, idle_timeout: float) -> None:
        """Close the connection when it is idle, or its client slow, for longer than allowed."""
        if self._overdue(now) or (
            not self.requests and now_wall - self.last_activity > idle_timeout
        ):
            self.will_close = True

    def _overdue(self, now: float) -> bool:
        request = self.request
        if request is None or self.requests or self.total_outbufs_len:
            self._stage = (None, False)
            return False
        stage = (request, request.headers_finished)
        if stage != self._stage:
            self._stage, self._since = stage, now
        limits = self.adj.limits
        if request.headers_finished:
            allowed = limits.body_timeout + request.body_bytes_received / limits.min_body_rate
        else:
            allowed = limits.header_timeout
        return now - self._since > allowed
