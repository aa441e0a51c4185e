"""The process that runs author code for an inspection, and reports over a pipe."""

import json
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Work on the items of the job whose descriptor is the first argument, then end at once.

    The second argument is the descriptor that takes the reports, one line of JSON each.
    """
    given, out = map(int, sys.argv[1:3])
    for descriptor in (given, out):
        os.set_inheritable(descriptor, False)
    with open(given, "rb") as stream:
        job = json.load(stream)
    printed = os.dup(1)  # user code may give its own another place

    def report(**message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(out, line) :]

    from fcplug.inspection import tasks  # noqa: PLC0415 - what it imports takes a while

    task = tasks.task(job)
    for item in job["items"]:
        report(begin=item)
        answer = task(item)
        _flush()
        report(answer=answer, printed=os.fstat(printed).st_size)
    report(end=True)
    os._exit(0)  # without what user code has registered for the end


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # user code may have put anything there
            stream.flush()
