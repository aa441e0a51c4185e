"""Hooks of what several functions share: run once before its first user, once after its last.

A module keeps its state in globals, an ASGI application on itself. Several functions may use the
same one, and so may the old and the new object of one function while an edit is taken over. So
their ``initialize`` and ``pre_stop`` hooks count per module, not per function. A class is not
shared: each function has an object of its own.
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
    """Which modules are in use, and by which functions; one for the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._periods: dict[int, _Period] = {}

    def in_use(self, module: Any) -> bool:
        """Return whether an initialized function uses a module."""
        with self._lock:
            return id(module) in self._periods

    def join(self, module: Any, user: "SharedUse") -> "_Period":
        """Add a user of a module; while the last user before it runs its hooks, wait."""
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
        """Remove a user; True if it was the last, which then runs the hooks and calls ``end``."""
        with self._lock:
            period.users.discard(user)
            period.ending = not period.users
            return period.ending

    def end(self, period: "_Period") -> None:
        """Forget a module after its last user; the next user starts it again."""
        with self._lock:
            del self._periods[id(period.module)]
        period.over.set()


class _Period:
    """The time that one module is in use: from its first user to the hooks of its last.

    Attributes:
        started: the initialize hooks that run or have run; each entry keeps its hook alive, so
            that no other object can get the same id.
        stops: the pre_stop hooks of users that have left while others still use the module.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.users: set[SharedUse] = set()
        self.ending = False
        self.over = threading.Event()
        self.started: dict[Identity, tuple[Any, Once[Any]]] = {}
        self.stops: dict[Identity, Callable[[], object]] = {}

    def run_stops(self) -> None:
        """Run the pre_stop hooks that were left for the last user; log what they raise."""
        stops, self.stops = self.stops, {}
        for stop in stops.values():
            try:
                stop()
            except BaseException as error:
                log.error("%s", format_error(error))


class SharedUse:
    """The modules that one function uses, from ``join`` to ``leaving``.

    Attributes:
        hooks: the shared hooks that the function has; equal for objects that have the same ones.
    """

    def __init__(self, shared: SharedHooks) -> None:
        self.hooks: set[tuple[str, Identity]] = set()
        self._shared = shared
        self._lock = threading.Lock()  # a function is initialized again after its pre_stop only
        self._modules: dict[int, Any] = {}
        self._with_hooks: set[int] = set()
        self._periods: dict[int, _Period] = {}
        self._ending: set[int] = set()

    @property
    def hooks_in_use(self) -> bool:
        """Whether hooks of this function belong to a module that is in use now."""
        return any(self._shared.in_use(self._modules[key]) for key in self._with_hooks)

    @property
    def stops_left(self) -> bool:
        """Whether a module still has pre_stop hooks to run that other users have left."""
        return any(period.stops for period in list(self._periods.values()))

    def add(self, name: str, target: Any) -> int:
        """Use a module by its name, or ``target`` itself if no such module is imported."""
        module = sys.modules.get(name)
        module = target if module is None else module
        self._modules[id(module)] = module
        return id(module)

    def share(
        self, name: str, hook: Callable[..., Any], target: Any, module: str
    ) -> Callable[..., Any]:
        """Return an initialize or pre_stop hook that runs once for all users of its module.

        Args:
            name: which of the two it is.
            hook: what is called.
            target: what the author wrote: the same object for every user.
            module: the name of the module that it belongs to.
        """
        key, identity = self.add(module, target), _identity(target)
        self._with_hooks.add(key)
        self.hooks.add((name, identity))

        @functools.wraps(hook)
        def shared(*given: Any) -> Any:
            period = self._periods.get(key)
            if period is None:
                return hook(*given)
            if name == "initialize":
                once = period.started.setdefault(identity, (target, Once()))[1]
                return once.run(lambda: hook(*given))
            if key not in self._ending:
                period.stops[identity] = lambda: hook(*given)
                return None
            period.stops.pop(identity, None)
            return hook(*given)

        return shared

    def join(self) -> None:
        """Begin to use the modules."""
        with self._lock:
            for key, module in self._modules.items():
                self._periods[key] = self._shared.join(module, self)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Use the modules no longer; pre_stop hooks inside run where this was the last user."""
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
    """Return what tells one hook from another; a bound method is made anew at every access."""
    return id(getattr(target, "__self__", None)), id(getattr(target, "__func__", target))
