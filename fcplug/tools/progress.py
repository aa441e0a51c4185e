"""How far a command is, on standard error, while a person waits."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fcplug.inspection.process import Progress
from fcplug.tools.terminal import errors, printable


@contextmanager
def counting(verb: str) -> Iterator[Progress]:
    """Give what shows the progress: a line on a terminal, which goes away at the end."""
    if not sys.stderr.isatty():
        yield lambda _done, _all, _name: None
        return
    with errors().status(verb) as status:
        yield lambda done, count, name: status.update(
            printable(f"{verb} {done + 1} of {count}: {name}" if done < count else verb)
        )
