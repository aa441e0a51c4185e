"""Several processes that serve one socket, and a parent that keeps them alive."""

from fcplug.supervisor.siblings import Siblings
from fcplug.supervisor.supervising import supervise

__all__ = ["Siblings", "supervise"]
