"""What importing a plugin costs at a cold start: time and memory, in a fresh interpreter each."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fcplug.inspection.installed import Plugin
from fcplug.inspection.measuring import BEGIN
from fcplug.inspection.process import Progress, end_group, temporary_file

# all that serves is there already: what the plugin brings beside it is what it costs
_MEASURE = """\
import sys
out, module = int(sys.argv[1]), sys.argv[2]
sys.path[:] = sys.argv[3:]
from fcplug.inspection import measuring
measuring.measure(module, out)
"""
_ROW = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)$", re.MULTILINE)


class Cost(NamedTuple):
    """What one import costs.

    Attributes:
        own: milliseconds spent in the modules of its own package.
        total: milliseconds with everything that it imports and the runtime has not.
        memory: bytes that the process grew by; 0 where the system does not tell.
        modules: how many modules were imported.
    """

    own: float
    total: float
    memory: int
    modules: int


def costs(plugins: Iterable[Plugin], *, limit: float, progress: Progress) -> dict[str, Cost]:
    """Return what each plugin's module costs, by the module; those that fail are left out."""
    modules = list(dict.fromkeys(each.module for each in plugins if not each.broken))
    found = {}
    for done, module in enumerate(modules):
        progress(done, len(modules), module)
        if cost := _cost(module, limit):
            found[module] = cost
    return found


def _cost(module: str, limit: float) -> Cost | None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with temporary_file() as printed, os.fdopen(read, "rb", 0) as out, os.fdopen(write, "wb", 0):
        process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-X", "importtime", "-c", _MEASURE, str(write), module, *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=printed,
            pass_fds=(write,),
            start_new_session=True,
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end_group(process)
        if not (line := out.read(4096)):
            return None
        figures: Mapping[str, Any] = json.loads(line)
        printed.seek(0)
        rows = printed.read().decode("utf-8", "replace").partition(BEGIN)[2]
        return Cost(own=_own(rows, module), **figures)


def _own(rows: str, module: str) -> float:
    """Return the milliseconds that the modules of a module's own package took by themselves."""
    package = module.partition(".")[0]
    own = [int(took) for took, _, name in _ROW.findall(rows) if name.partition(".")[0] == package]
    return sum(own) / 1000
