"""How much a process needs, from what its configuration says of calls, time and memory."""

import math

from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec

_LEAST_MEMORY = 512  # MiB: what Function Compute gives if nothing is said
_OWN_MEMORY = 128  # MiB of a process beside what its watermark watches
_MEMORY_STEP = 64  # MiB, of Function Compute
_MIB = 1024 * 1024


def calls_at_once(config: Config, spec: FunctionSpec) -> int:
    """Return how many calls of a function an instance answers at once."""
    runtime = config.runtime
    each = spec.concurrency or runtime.threads
    if spec.isolation == "process":
        each = min(each, spec.workers or 1)
    return min(each, runtime.threads) * runtime.processes


def memory(config: Config) -> int:
    """Return the MiB of memory that an instance needs, a multiple of 64."""
    watermark = config.runtime.memory_watermark
    if watermark is None:
        return _LEAST_MEMORY
    # a successor starts before the process that is over the watermark ends
    processes = config.runtime.processes + 1
    needed = processes * watermark / _MIB + _OWN_MEMORY
    return max(_LEAST_MEMORY, math.ceil(needed / _MEMORY_STEP) * _MEMORY_STEP)
