"""The process that imports one plugin and measures it; it has imported what a server has."""

import json
import os
import sys
import time

BEGIN = "fcplug: the import begins"
"""The line on standard error after which the times of the plugin's imports follow."""


def measure(module: str, out: int) -> None:
    """Import a module in this process, and write what that cost to a descriptor, as JSON."""
    from fcplug.process import lazy_imports  # noqa: PLC0415

    lazy_imports.import_falcon()  # as a process that serves has it
    from fcplug import app  # noqa: F401, PLC0415
    from fcplug.plugins import code_path  # noqa: PLC0415

    os.set_inheritable(out, False)
    code_path.add(dict(os.environ))
    known, memory = len(sys.modules), _memory()
    os.write(2, f"{BEGIN}\n".encode())
    begin = time.perf_counter()
    __import__(module)  # importlib's own is not timed
    total = (time.perf_counter() - begin) * 1000
    grown = max(0, _memory() - memory)
    line = {"total": total, "memory": grown, "modules": len(sys.modules) - known}
    os.write(out, json.dumps(line).encode())
    os._exit(0)  # without what the plugin has registered for the end


def _memory() -> int:
    """Return the bytes of this process that are in memory, 0 where that is not known."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
