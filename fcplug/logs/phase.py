"""The lines that FC expects around each phase of a call."""

import logging
from contextlib import AbstractContextManager
from types import TracebackType

from fcplug import protocol
from fcplug.context import Context, current
from fcplug.logs import process_log
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.result import format_error


class PhaseLines(AbstractContextManager[None]):
    """Writes the start and end lines of a phase, and logs the error that it raises.

    A child process that was forked in the phase ends here: the rest is the parent's work. This is
    a class and not a generator: every invocation needs one, and it takes a third of the time.
    """

    def __init__(self, which: protocol.Phase, context: Context) -> None:
        self._which = which
        self._context = context

    def __enter__(self) -> None:
        self._forks = fork_counter.forks
        self._token = current.set(self._context)
        process_log.write(self._which.start_line % self._context.request_id)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if fork_counter.forks != self._forks:
            end_forked_child(error)
        try:
            if error is not None:
                logging.getLogger("fcplug").error("%s", format_error(error))
        finally:
            which = self._which
            line = which.end_line if error is None else which.failed_line
            process_log.end_lines(self._context)
            process_log.write(line % self._context.request_id)
            current.reset(self._token)
