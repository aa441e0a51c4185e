"""What the process says: FC's start and end lines, and log records that carry the request id.

Everything goes to standard output, which FC collects, one ``write`` a line, and is out before the
answer is: FC may freeze the instance right after it.
"""

from fcplug.logs.capture import Capture, Redirection
from fcplug.logs.output import Output
from fcplug.logs.phase import phase
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
    "Capture",
    "JsonFormatter",
    "LineStream",
    "Output",
    "Redirection",
    "TextFormatter",
    "configure",
    "descriptor",
    "end_lines",
    "finish",
    "open_standard_descriptors",
    "phase",
    "stop_waiting",
    "write_status",
]
