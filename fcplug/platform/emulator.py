"""Function Compute on this machine: runs calls on real processes and remembers them."""

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from fcplug.platform import failures
from fcplug.platform.fleet import Fleet, FleetClosed
from fcplug.platform.guard import Guard
from fcplug.platform.history import Followers, Happenings, History, Log
from fcplug.platform.instance import Instance
from fcplug.platform.model import (
    Call,
    Client,
    FunctionConfig,
    Happening,
    InstanceInfo,
    InstanceState,
    Invocation,
    LogLine,
    Outcome,
)

_ENDED = 50  # instances that are remembered after their end
_LOOK = 0.5  # seconds between two looks for idle instances
_PATIENCE = 5.0  # seconds that close() gives to calls that still run

_Self = TypeVar("_Self", bound="Emulator")


class Emulator:
    """The local platform. Its methods may be called from any thread.

    Use it as a context manager, or call ``close``: else its processes outlive it.

    Attributes:
        keeps_idle: whether instances without a call stay, because new ones could not start now.
    """

    def __init__(self, functions: Iterable[FunctionConfig]) -> None:
        self.keeps_idle = False
        self._history = History()
        self._followers = Followers()
        self._log = Log()
        self._guard = Guard()
        self._ended: dict[str, InstanceInfo] = {}
        self._lock = threading.Lock()
        self._fleets = self._new_fleets(functions)
        self._replaced: list[Fleet] = []
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="fcplug-platform", daemon=True)
        self._keeper.start()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def functions(self) -> Mapping[str, FunctionConfig]:
        """The functions by name."""
        return {name: fleet.function for name, fleet in self._fleets.items()}

    def invoke(self, call: Call, client: Client | None = None) -> Outcome:
        """Run one call to its end: find or start an instance, initialize it, call it, record it.

        ``client``: who gets a streamed web answer as it comes, and ends the call by leaving.
        """
        invocation = self._history.begin(call)
        self._followers.tell("invocation", lambda: invocation)
        outcome = self._run(call, client)
        ended = self._history.end(invocation, outcome)
        self._followers.tell("invocation", lambda: ended)
        return outcome

    def _run(self, call: Call, client: Client | None) -> Outcome:
        while not self._closing.is_set():
            fleet = self._fleets.get(call.function)
            if fleet is None:
                return failures.unknown(call.function)
            with contextlib.suppress(FleetClosed):  # it was replaced meanwhile
                return fleet.invoke(call, client)
        return failures.closed()

    def replace(self, functions: Iterable[FunctionConfig]) -> None:
        """Serve other functions, or the same from new instances; calls that run end as before."""
        fleets = self._new_fleets(functions)
        with self._lock:
            old, self._fleets = self._fleets, fleets
            self._replaced += old.values()
        for fleet in old.values():
            fleet.close()
        self._followers.tell("functions", lambda: None)

    def instances(self) -> Sequence[InstanceInfo]:
        """Return every instance that lives, and those that ended lately."""
        living = [instance.info for fleet in self._all() for instance in fleet.instances]
        with self._lock:
            ended = tuple(self._ended.values())
        return [*(one for one in living if one.state is not InstanceState.ENDED), *ended[::-1]]

    def invocations(self, function: str | None = None, limit: int = 100) -> Sequence[Invocation]:
        """Return the latest calls, newest first."""
        return self._history.latest(function, limit)

    def log_lines(self) -> Sequence[LogLine]:
        """Return the latest lines that instances wrote, oldest first."""
        return self._log.lines()

    def subscribe(self) -> Happenings:
        """Return a queue that gets what happens from now on. One that is full loses the oldest."""
        return self._followers.add()

    def unsubscribe(self, followed: object) -> None:
        """Send no more to a queue that ``subscribe`` returned."""
        self._followers.remove(followed)

    def tell(self, happening: Happening) -> None:
        """Send something that happened beside the platform, as in its queue, to all who follow."""
        self._followers.tell(happening.kind, lambda: happening.value)

    def close(self) -> None:
        """End every process and thread. Calls that run get five seconds; new ones fail."""
        self._closing.set()
        self._keeper.join()
        fleets = self._all()
        for fleet in fleets:
            fleet.close()
        joins = [threading.Thread(target=fleet.join, args=(_PATIENCE,)) for fleet in fleets]
        for join in joins:
            join.start()
        for join in joins:
            join.join()
        self._guard.close()

    def _new_fleets(self, functions: Iterable[FunctionConfig]) -> dict[str, Fleet]:
        return {one.name: Fleet(one, self._tell, self._guard) for one in functions}

    def _all(self) -> Sequence[Fleet]:
        with self._lock:
            return (*self._fleets.values(), *self._replaced)

    def _keep(self) -> None:
        while not self._closing.wait(_LOOK):
            for fleet in () if self.keeps_idle else self._all():
                fleet.retire_idle()
            with self._lock:
                self._replaced = [fleet for fleet in self._replaced if not fleet.ended]

    def _tell(self, happened: Instance | LogLine) -> None:
        if isinstance(happened, LogLine):
            line = self._log.add(happened)
            self._followers.tell("log", lambda: line)
            return
        info = happened.info
        if info.state is InstanceState.ENDED:
            with self._lock:
                self._ended[info.id] = info
                while len(self._ended) > _ENDED:
                    del self._ended[next(iter(self._ended))]
        self._followers.tell("instance", lambda: info)
