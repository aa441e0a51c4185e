"""fcplug: one Function Compute custom runtime for many functions, each a plugin.

What a plugin author imports; everything else is the runtime's own.
"""

TYPE_CHECKING = False  # typing's own would be imported before the path is set up: see __main__
if TYPE_CHECKING:
    from typing import Any

    from fcplug.context import Context
    from fcplug.hookspecs import hookimpl

__all__ = ["Context", "__version__", "hookimpl"]

__version__ = "0.1.0"


def __getattr__(name: str) -> "Any":
    """Import what is asked for: before that the runtime's start has things to set up."""
    if name == "Context":
        from fcplug.context import Context  # noqa: PLC0415

        return Context
    if name == "hookimpl":
        from fcplug.hookspecs import hookimpl  # noqa: PLC0415

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
