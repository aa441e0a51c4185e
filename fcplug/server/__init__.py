"""The HTTP server: waitress with the strictness, the time limits and the exit that FC needs."""

from fcplug.server.binding import bind
from fcplug.server.limits import Limits
from fcplug.server.serving import serve
from fcplug.server.signals import hold_stop_signals

__all__ = ["Limits", "bind", "hold_stop_signals", "serve"]
