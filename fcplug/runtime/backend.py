"""What a function asks of the place where its plugins run: this process, or worker processes."""

from collections.abc import Callable, Set
from typing import TYPE_CHECKING, Any, Protocol

from fcplug.context import Context
from fcplug.web.response import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Backend(Protocol):
    """The loaded plugins of one function: ``plugins.Plugins`` or ``workers.Workers``.

    The methods that run hooks raise what the hooks raise.

    Attributes:
        package: the distribution and version that the handler, else the application, comes from.
    """

    package: str

    @property
    def shared_hooks(self) -> Set[object]:
        """The hooks that other functions may share; equal where they are the same."""

    @property
    def shared_hooks_in_use(self) -> bool:
        """Whether some of these hooks belong to a module that is in use now."""

    @property
    def invoke(self) -> Callable[[bytes, Context], Any]:
        """Answers one event; the result is not encoded yet, or is bytes."""

    def implements(self, hook: str) -> bool:
        """Return whether any of the plugins has this hook."""

    def initialize(self, context: Context) -> Any:
        """Run the initialize hooks, and return what the handler's own returned."""

    def web(self, environ: "WSGIEnvironment", context: Context) -> Response:
        """Answer one web request by the application."""

    def pre_freeze(self, context: Context) -> None:
        """Run the pre_freeze hooks."""

    def pre_stop(self, context: Context) -> None:
        """Run the pre_stop hooks."""

    def close(self) -> None:
        """End what runs outside this process."""
