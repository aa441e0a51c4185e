"""How much a process needs, from what its configuration says of calls, time and memory."""

import math
from collections.abc import Iterable

from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec

_LEAST_MEMORY = 512  # MiB: what Function Compute gives if nothing is said
_OWN_MEMORY = 128  # MiB of a process beside what its watermark watches
_WORKER_MEMORY = 64  # MiB of a worker process, with small plugins
_MEMORY_STEP = 64  # MiB, of Function Compute
_MIB = 1024 * 1024


def calls_at_once(config: Config, spec: FunctionSpec) -> int:
    """Return how many calls of a function an instance answers at once."""
    runtime = config.runtime
    each = spec.concurrency or runtime.threads
    if spec.isolation == "process":
        each = min(each, spec.workers or 1)
    return min(each, runtime.threads) * runtime.processes


def memory(config: Config, functions: Iterable[FunctionSpec]) -> int:
    """Return the MiB of memory that an instance of functions needs, a multiple of 64."""
    runtime = config.runtime
    workers = sum(each.workers or 1 for each in functions if each.isolation == "process")
    needed = _LEAST_MEMORY + workers * runtime.processes * _WORKER_MEMORY
    if runtime.memory_watermark is not None:
        # a successor starts before the process that is over the watermark ends
        watched = (runtime.processes + 1) * runtime.memory_watermark / _MIB + _OWN_MEMORY
        needed = max(needed, math.ceil(watched))
    return math.ceil(needed / _MEMORY_STEP) * _MEMORY_STEP
