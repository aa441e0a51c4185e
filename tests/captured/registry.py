"""The messages of the page of errors: how to provoke each, by the heading that it stands under."""

from collections.abc import Callable
from typing import NamedTuple

from captured.scene import Scene, Shown

Provocation = Callable[[Scene], Shown]


class Message(NamedTuple):
    """What provokes a message, and the classes of the errors behind it, if it is of any."""

    provoke: Provocation
    errors: tuple[str, ...]


MESSAGES: dict[str, Message] = {}


def message(heading: str, *errors: str) -> Callable[[Provocation], Provocation]:
    """Register what provokes the message under a heading."""

    def register(provoke: Provocation) -> Provocation:
        assert heading not in MESSAGES, heading
        MESSAGES[heading] = Message(provoke, errors)
        return provoke

    return register


TEMPLATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fcplug build: there is no such package": ("fcplug/build/unresolved.py", ("BuildError",)),
    "fcplug build: a package has no wheel for the image": ("fcplug/build/unresolved.py", ()),
    "fcplug build: the index cannot be reached": ("fcplug/build/unresolved.py", ()),
    "fcplug build: a function does not load from the package": ("fcplug/build/loading.py", ()),
    "The edit is rejected": ("fcplug/runtime/reloader.py", ()),
    "The code on disk is newer than the running code": ("fcplug/plugins/loaded_code.py", ()),
    "A function blocks the event loop": ("fcplug/concurrency/event_loop.py", ()),
    "Abandoned invocations still run": ("fcplug/concurrency/threads.py", ()),
    "A plugin loads slowly": ("fcplug/plugins/slow_import.py", ()),
    "Another function answers in its place": ("fcplug/runtime/routing.py", ()),
    "Ray: no cluster": ("fcplug/ray/cluster.py", ("ClusterError",)),
    "Ray: ReplicaLost": ("fcplug/ray/entry.py", ("ReplicaLost",)),
    "Ray: NotServed": ("fcplug/ray/entry.py", ("NotServed",)),
}
"""Messages that need an index, a cluster or minutes: their texts are compared with those of a file.

By the heading: the file, and the classes of the errors behind the message.
"""
