"""Functions isolated in processes of their own."""

from fcplug.workers.assignment import WorkerSettings
from fcplug.workers.workers import Workers

__all__ = ["WorkerSettings", "Workers"]
