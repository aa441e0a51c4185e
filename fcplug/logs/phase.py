"""The lines that FC expects around each phase of a call."""

import logging
from types import TracebackType

from fcplug.context import Context, current
from fcplug.logs import process_log
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.protocol import FAILED_SUFFIX, Phase
from fcplug.result import format_error


class PhaseLines:
    """Writes the start and end lines of a phase, and logs the error that it raises.

    A child process that was forked in the phase ends here: the rest is the parent's work. This is
    a class and not a generator: every invocation needs one, and it takes a third of the time.
    """

    __slots__ = ("_context", "_forks", "_phase", "_token")

    def __init__(self, phase: Phase, context: Context) -> None:
        self._phase = phase
        self._context = context

    def __enter__(self) -> None:
        self._forks = fork_counter.forks
        self._token = current.set(self._context)
        line = f"{self._phase.start_line}{self._context.request_id}\n"
        process_log.state.write_lines(line.encode())

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
            failed = "" if error is None else FAILED_SUFFIX
            process_log.end_lines(self._context)
            line = f"{self._phase.end_line}{self._context.request_id}{failed}\n"
            process_log.state.write_lines(line.encode())
            current.reset(self._token)
