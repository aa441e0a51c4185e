"""Makes ``asyncio.get_event_loop()`` return a loop on the threads of handlers.

On FC's own runtime a plain handler may call it, and gets a loop to run coroutines on: there
handlers run on the main thread, the only one for which asyncio creates a loop. Here they run on
other threads. Python 3.14 creates no loop on any thread, and so neither does this module there.

The event loop policy belongs to user code. The policy of this module is only a default: it is
installed before user code is imported, and a policy that user code sets replaces it. Importing
asyncio would cost each cold start 20 ms, so the policy is installed when asyncio is imported.
"""

import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader  # imports much, and only types need it

_MODULE = "asyncio"


def install() -> None:
    """Make ``asyncio.get_event_loop()`` return a loop on every thread, below Python 3.14."""
    if sys.version_info >= (3, 14):
        return
    if _MODULE in sys.modules:
        _install_policy()
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds asyncio once, with a loader that installs the policy after the import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of asyncio; None for other modules."""
        if fullname != _MODULE:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = cast("Loader", _Loader(spec.loader))
        return spec


class _Loader:
    def __init__(self, loader: "Loader") -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec:
            spec.loader = module.__loader__ = self._loader  # leave no trace of this loader
        self._loader.exec_module(module)
        _install_policy()


def _install_policy() -> None:
    import asyncio  # noqa: PLC0415 - imported by now

    class Policy(asyncio.DefaultEventLoopPolicy):
        """The default policy, which creates a loop for each thread that asks for one."""

        def __init__(self) -> None:
            super().__init__()
            self._current = threading.local()

        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            """Return the loop of this thread; a new one if there is none or it is closed.

            ``asyncio.run`` leaves a thread without a loop, and several functions share a thread.
            """
            loop: asyncio.AbstractEventLoop | None = getattr(self._current, "loop", None)
            if loop is None or loop.is_closed():
                loop = self.new_event_loop()
                self.set_event_loop(loop)
            return loop

        def set_event_loop(self, loop: "asyncio.AbstractEventLoop | None") -> None:
            """Set the loop of this thread."""
            self._current.loop = loop
            super().set_event_loop(loop)

    asyncio.set_event_loop_policy(Policy())
