"""The log of the process: FC's start and end lines, log records and what handlers print.

Everything goes to standard output, which FC collects. Each line is one ``write``, and all lines of
a call are written before its answer: FC may freeze the instance right after that.
"""

from fcplug.logs.capture import Capture, Redirection
from fcplug.logs.output import Output
from fcplug.logs.phase import BegunPhase, PhaseLines, begin_phase, end_phase
from fcplug.logs.process_log import (
    configure,
    descriptor,
    end_lines,
    finish,
    open_standard_descriptors,
    stop_waiting,
    write_status,
)
from fcplug.logs.records import JsonFormatter, TextFormatter
from fcplug.logs.streams import LineStream

__all__ = [
    "BegunPhase",
    "Capture",
    "JsonFormatter",
    "LineStream",
    "Output",
    "PhaseLines",
    "Redirection",
    "TextFormatter",
    "begin_phase",
    "configure",
    "descriptor",
    "end_lines",
    "end_phase",
    "finish",
    "open_standard_descriptors",
    "stop_waiting",
    "write_status",
]
