"""The lines that FC expects around each phase of a call."""

import logging
from contextvars import Token
from types import TracebackType

from fcplug.context import Context, current
from fcplug.logs import process_log
from fcplug.process.forks import end_forked_child, fork_counter
from fcplug.protocol import FAILED_SUFFIX, Phase
from fcplug.result import format_error

BegunPhase = tuple[Phase, Context, int, Token[Context | None]]
"""A phase that runs, its context, the forks before it, and the context that was current."""


def begin_phase(phase: Phase, context: Context) -> BegunPhase:
    """Write the start line of a phase, and make its context the current one."""
    before = current.set(context)
    process_log.state.write_lines(f"{phase.start_line}{context.request_id}\n".encode())
    return phase, context, fork_counter.forks, before


def end_phase(begun: BegunPhase, error: BaseException | None = None) -> None:
    """Log the error that ended a phase, if any, and write its end line.

    A child process that was forked in the phase ends here: the rest is the parent's work.
    """
    phase, context, forks, before = begun
    if fork_counter.forks != forks:
        end_forked_child(error)
    try:
        if error is not None:
            logging.getLogger("fcplug").error("%s", format_error(error))
    finally:
        failed = "" if error is None else FAILED_SUFFIX
        process_log.end_lines(context)
        line = f"{phase.end_line}{context.request_id}{failed}\n"
        process_log.state.write_lines(line.encode())
        current.reset(before)


class PhaseLines:
    """Begins and ends a phase around a block; calls do so without it, which is faster."""

    def __init__(self, phase: Phase, context: Context) -> None:
        self._phase = phase
        self._context = context

    def __enter__(self) -> None:
        self._begun = begin_phase(self._phase, self._context)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_phase(self._begun, error)
