"""fcplug: one Function Compute custom runtime for many functions, each a plugin.

What a plugin author imports; everything else is the runtime's own.
"""

from fcplug.context import Context
from fcplug.hookspecs import hookimpl

__all__ = ["Context", "__version__", "hookimpl"]

__version__ = "0.1.0"
