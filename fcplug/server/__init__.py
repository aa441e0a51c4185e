"""The HTTP server: waitress with the strict parsing, time limits and orderly stop that FC needs."""

from fcplug.server.binding import bind
from fcplug.server.limits import Limits
from fcplug.server.waitress.serve import serve

__all__ = ["Limits", "bind", "serve"]
