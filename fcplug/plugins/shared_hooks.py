"""Run the hooks of a shared module once.

A module keeps its state in globals, an ASGI application on itself. Several functions may share one,
and so do the old and the new version of a function during a reload. Therefore the ``initialize``
and ``pre_stop`` hooks of a module run per module, not per function. Classes are not shared: each
function has its own object.

The states of a module::

    unused --join--> in use --last leave--> ending --end--> unused
                     ^    |                 |
                     +join+                 +--join waits for end, then starts a new period

While a module is in use, ``initialize`` hooks run once, and a ``pre_stop`` hook of a function that
leaves is stored. The last function to leave runs the stored hooks and its own.
"""

import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fcplug.concurrency.once import Once
from fcplug.result import format_error

log = logging.getLogger("fcplug")

_QUIET = 3.0  # seconds to wait for hooks before the log says so

Identity = tuple[int, int]


class SharedHooks:
    """Tracks which functions use which modules, process-wide."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._periods: dict[int, _Period] = {}

    def in_use(self, module: Any) -> bool:
        """Return whether an initialized function uses a module."""
        with self._lock:
            return id(module) in self._periods

    def join(self, module: Any, user: "SharedUse") -> "_Period":
        """Add a user; wait while the last user before it runs its hooks."""
        while True:
            with self._lock:
                period = self._periods.get(id(module))
                if period is None:
                    period = self._periods[id(module)] = _Period(module)
                if not period.ending:
                    period.users.add(user)
                    return period
            if not period.over.wait(_QUIET):
                log.warning("a function waits for the pre_stop hooks of %s", module)
                period.over.wait()

    def leave(self, period: "_Period", user: "SharedUse") -> bool:
        """Remove a user; return whether it was the last.

        The last user must run the hooks and call ``end``.
        """
        with self._lock:
            period.users.discard(user)
            period.ending = not period.users
            return period.ending

    def end(self, period: "_Period") -> None:
        """End a module's period; the next user starts a new one."""
        with self._lock:
            del self._periods[id(period.module)]
        period.over.set()


class _Period:
    """The time in which a module is used, from its first user to the hooks of its last.

    Attributes:
        started: the initialize hooks that have begun; each entry holds a reference to its hook, so
            that no other object gets the same id.
        stops: pre_stop hooks of functions that have left while others still use the module.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.users: set[SharedUse] = set()
        self.ending = False
        self.over = threading.Event()
        self.started: dict[Identity, tuple[Any, Once[Any]]] = {}
        self.stops: dict[Identity, Callable[[], object]] = {}

    def start(self, identity: Identity, target: Any, call: Callable[[], Any]) -> Any:
        """Run an initialize hook once, and return its result to every user."""
        once = self.started.setdefault(identity, (target, Once()))[1]
        return once.run(call)

    def stop(self, identity: Identity, call: Callable[[], Any], *, last: bool) -> Any:
        """Run a pre_stop hook for the last user; store it for any other."""
        if not last:
            self.stops[identity] = call
            return None
        self.stops.pop(identity, None)
        return call()

    def run_stops(self) -> None:
        """Run the stored pre_stop hooks; log the errors that they raise."""
        stops, self.stops = self.stops, {}
        for stop in stops.values():
            try:
                stop()
            except BaseException as error:
                log.error("%s", format_error(error))


class SharedUse:
    """The modules that one function uses, from ``join`` to ``leaving``.

    Attributes:
        hooks: identifies the function's shared hooks; equal sets mean the same hooks.
    """

    def __init__(self, shared: SharedHooks) -> None:
        self.hooks: set[tuple[str, Identity]] = set()
        self._shared = shared
        self._lock = threading.Lock()  # so that initialize waits until pre_stop has finished
        self._modules: dict[int, Any] = {}
        self._with_hooks: set[int] = set()
        self._periods: dict[int, _Period] = {}
        self._ending: set[int] = set()

    @property
    def hooks_in_use(self) -> bool:
        """Whether any module with hooks of this function is in use."""
        return any(self._shared.in_use(self._modules[key]) for key in self._with_hooks)

    @property
    def stops_left(self) -> bool:
        """Whether a module has stored pre_stop hooks of functions that have left."""
        return any(period.stops for period in list(self._periods.values()))

    def add(self, name: str, target: Any) -> int:
        """Register a module, and return its key.

        It is ``target`` itself if no module of this name is loaded.
        """
        module = sys.modules.get(name)
        module = target if module is None else module
        self._modules[id(module)] = module
        return id(module)

    def share(
        self, name: str, hook: Callable[..., Any], target: Any, module: str
    ) -> Callable[..., Any]:
        """Return a hook that runs once for all users of its module.

        Args:
            name: ``initialize`` or ``pre_stop``.
            hook: the callable to run.
            target: the hook as its author wrote it, the same object for every user.
            module: the name of its module.
        """
        key, identity = self.add(module, target), _identity(target)
        self._with_hooks.add(key)
        self.hooks.add((name, identity))

        @functools.wraps(hook)
        def shared(*given: Any) -> Any:
            call = functools.partial(hook, *given)
            period = self._periods.get(key)
            if period is None:
                return call()
            if name == "initialize":
                return period.start(identity, target, call)
            return period.stop(identity, call, last=key in self._ending)

        return shared

    def join(self) -> None:
        """Start using the modules."""
        with self._lock:
            for key, module in self._modules.items():
                self._periods[key] = self._shared.join(module, self)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Stop using the modules.

        pre_stop hooks called inside run if this was the last user.
        """
        with self._lock:
            periods = self._periods
            self._ending = {key for key, each in periods.items() if self._shared.leave(each, self)}
            try:
                yield
            finally:
                for key in self._ending:
                    periods[key].run_stops()
                    self._shared.end(periods[key])
                self._periods, self._ending = {}, set()


def _identity(target: Any) -> Identity:
    """Return a key for a hook; bound methods are new objects at every access."""
    return id(getattr(target, "__self__", None)), id(getattr(target, "__func__", target))
