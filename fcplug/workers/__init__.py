"""Run isolated functions in worker processes.

Hand-written because a worker may run another Python interpreter, and a crash or a hang must cost
only the call it served: ``multiprocessing`` and ``concurrent.futures`` share queues and locks
between processes, and a dead process breaks the whole pool.
"""

from fcplug.workers.assignment import WorkerSettings
from fcplug.workers.workers import Workers

__all__ = ["WorkerSettings", "Workers"]
