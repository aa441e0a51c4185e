"""Functions isolated in processes of their own."""

from fcplug.worker.assignment import WorkerSettings
from fcplug.worker.workers import Workers

__all__ = ["WorkerSettings", "Workers"]
