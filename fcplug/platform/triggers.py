"""Runs the triggers of the functions: their events go into the queue, as on FC."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import msgspec

from fcplug.platform import bucket_event, headers
from fcplug.platform.answers import ApiError
from fcplug.platform.async_queue import AsyncQueue
from fcplug.platform.bucket_event import ObjectChange
from fcplug.platform.model import BucketTrigger, Call, FunctionConfig, TimerTrigger
from fcplug.platform.timers import Clock, Timers


class Say(Protocol):
    """Takes a line about a function, or about the platform if the name is empty."""

    def __call__(self, function: str, text: str, *, failed: bool = False) -> None:
        """Show the line."""


class Triggers:
    """The timers, and the folders that stand for buckets; a context manager that ends them.

    Args:
        queue: gets the calls.
        buckets: the folder of each bucket.
        say: gets a line for each event that is sent, and for what keeps one from being sent.
        clock: returns seconds since the epoch.
    """

    def __init__(
        self,
        queue: AsyncQueue,
        buckets: Mapping[str, Path],
        say: Say,
        clock: Clock = time.time,
    ) -> None:
        self._queue = queue
        self._say = say
        self._functions: Mapping[str, FunctionConfig] = {}
        self._stack = ExitStack()
        self._timers = Timers(self._fire_timer, self._missed, clock)
        self._stack.callback(self._timers.close)
        if not buckets:
            return
        from fcplug.platform.bucket_folder import BucketFolder  # noqa: PLC0415 - needs watchfiles

        for name, folder in buckets.items():
            self._stack.enter_context(
                BucketFolder(name, folder, self._fire_bucket, self._about(name))
            )

    def __enter__(self) -> "Triggers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def replace(self, functions: Iterable[FunctionConfig]) -> None:
        """Run the triggers of these functions; timers that were there before keep their time.

        Raises:
            UnknownZone: a timer has a time zone that is not known here; then nothing changes.
        """
        by_name = {function.name: function for function in functions}
        triggers = [trigger for function in by_name.values() for trigger in function.triggers]
        self._timers.replace(each for each in triggers if isinstance(each, TimerTrigger))
        self._functions = by_name

    def _about(self, bucket: str) -> Callable[[str], None]:
        return lambda text: self._say("", f"bucket {bucket}: {text}", failed=True)

    def _fire_timer(self, trigger: TimerTrigger, due: float) -> None:
        document = {
            "triggerTime": f"{datetime.fromtimestamp(due, timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
            "triggerName": trigger.name,
            "payload": trigger.payload,
        }
        call = self._call(trigger.function, msgspec.json.encode(document))
        if call is not None:
            self._send(msgspec.structs.replace(call, kind="timer"), f"timer {trigger.name}")

    def _missed(self, trigger: TimerTrigger, due: float) -> None:
        at = time.strftime("%H:%M:%S", time.localtime(due))
        what = f"timer {trigger.name}: missed {at}, when this machine slept"
        self._say(trigger.function, what, failed=True)

    def _fire_bucket(self, change: ObjectChange) -> None:
        for function in self._functions.values():
            for trigger in function.triggers:
                if not isinstance(trigger, BucketTrigger):
                    continue
                if name := bucket_event.event_name(trigger, change):
                    payload = bucket_event.event(function, trigger, change)
                    call = self._call(function.name, payload)
                    if call is not None:
                        what = f"oss {trigger.name}: {name} {change.bucket}/{change.key}"
                        self._send(msgspec.structs.replace(call, kind="oss"), what)

    def _call(self, name: str, payload: bytes) -> Call | None:
        function = self._functions.get(name)
        if function is None:  # an edit has just removed it
            return None
        request_id = headers.new_request_id(function.headers)
        return Call(function=name, request_id=request_id, payload=payload)

    def _send(self, call: Call, what: str) -> None:
        try:
            self._queue.accept(call)
        except ApiError as error:
            self._say(call.function, f"{what}: not sent: {error}", failed=True)
        else:
            self._say(call.function, f"{what}  {call.request_id}")
