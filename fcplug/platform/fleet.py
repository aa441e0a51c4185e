"""The instances of one function: as many as its calls need, and no more than it may have."""

import threading
import time
from collections.abc import Callable, Sequence

from fcplug.platform import failures
from fcplug.platform.guard import Guard
from fcplug.platform.instance import Gone, Instance, Tell
from fcplug.platform.model import Call, Client, FunctionConfig, Outcome


class FleetClosed(Exception):  # noqa: N818 - it is caught, not reported
    """The fleet takes no more calls."""


class Fleet:
    """Finds an instance for each call, or starts one; ends those that nobody uses."""

    def __init__(self, function: FunctionConfig, tell: Tell, guard: Guard) -> None:
        self.function = function
        self._tell = tell
        self._guard = guard
        self._changed = threading.Condition()
        self._instances: list[Instance] = []  # that get calls
        self._ending: list[Instance] = []
        self._tasks: set[threading.Thread] = set()
        self._closed = False
        self._hurry = False  # end instances that still serve
        self._busy = 0  # calls that run

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances that have not ended."""
        with self._changed:
            return (*self._instances, *self._ending)

    @property
    def ended(self) -> bool:
        """Whether it is closed and nothing of it is left."""
        with self._changed:
            return self._closed and not (self._instances or self._tasks or self._busy)

    def invoke(self, call: Call, client: Client | None = None) -> Outcome:
        """Run a call on an instance; wait for one up to the timeout of the function.

        Raises:
            FleetClosed: no instance had begun to serve it.
        """
        deadline = time.monotonic() + self.function.timeout
        while True:
            taken = self._take(deadline)
            if isinstance(taken, Outcome):
                return taken
            instance, cold = taken
            try:
                return instance.serve(call, client, cold=cold)
            except Gone:
                continue
            finally:
                self._release(instance, call)

    def retire_idle(self) -> None:
        """End the instances that had no call for the function's ``idle_timeout``."""
        oldest = time.monotonic() - self.function.idle_timeout
        with self._changed:
            for instance in self._instances:
                if not instance.running and instance.used < oldest:
                    instance.retired = True
            self._sweep()

    def close(self) -> None:
        """Let calls that run end within their timeout, then end every instance. New calls fail."""
        with self._changed:
            self._closed = True
            for instance in self._instances:
                instance.retired = True
            self._sweep()
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait until every instance has ended; end those that still serve after some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, seconds)
            self._hurry = True
            self._changed.notify_all()
        while tasks := self._running_tasks():
            for task in tasks:
                task.join()

    def _running_tasks(self) -> Sequence[threading.Thread]:
        with self._changed:
            return tuple(self._tasks)

    def _take(self, deadline: float) -> tuple[Instance, bool] | Outcome:
        with self._changed:
            while not self._closed:
                self._sweep()
                if (instance := self._free()) is not None:
                    self._busy += 1
                    instance.running += 1
                    return instance, False
                if len(self._instances) < self.function.max_instances:
                    instance = Instance(self.function, self._tell, self._guard)
                    self._busy += 1
                    instance.running = 1
                    self._instances.append(instance)
                    return instance, True
                left = deadline - time.monotonic()
                if left <= 0:
                    return failures.too_busy(self.function)
                self._changed.wait(left)
        raise FleetClosed

    def _free(self) -> Instance | None:
        """Return a ready instance before one that starts, and a busy one before an idle one."""
        free = [
            instance
            for instance in self._instances
            if instance.running < self.function.instance_concurrency
        ]
        return max(free, key=lambda each: (each.ready, each.running, each.used), default=None)

    def _release(self, instance: Instance, call: Call) -> None:
        with self._changed:
            instance.running -= 1
            self._busy -= 1
            instance.used = time.monotonic()
            self._sweep()
            rests = not (instance.running or instance.retired)
            if rests and (self.function.freeze or self.function.pre_freeze):
                self._run(lambda: instance.rest(call.request_id))
            self._changed.notify_all()

    def _sweep(self) -> None:
        """Take out the instances that get no more calls; end each when its last call has ended."""
        for instance in tuple(self._instances):
            if instance.exited:
                instance.retired = True
            if instance.retired:
                self._instances.remove(instance)
                self._ending.append(instance)
                self._run(lambda instance=instance: self._end(instance))  # type: ignore[misc]

    def _end(self, instance: Instance) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._hurry or not instance.running)
        instance.stop()
        with self._changed:
            self._ending.remove(instance)

    def _run(self, task: Callable[[], None]) -> None:
        """Run a task in a thread that ``join`` waits for."""

        def run() -> None:
            try:
                task()
            finally:
                with self._changed:
                    self._tasks.discard(threading.current_thread())

        thread = threading.Thread(target=run, name="fcplug-platform-instance", daemon=True)
        self._tasks.add(thread)
        thread.start()
