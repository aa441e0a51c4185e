"""Functions that say where they run; for the tests of a cluster."""

import os
import time
from pathlib import Path
from typing import Any

import ray

from fcplug import Context, hookimpl


def where(event: bytes, context: Context) -> dict[str, Any]:
    """Answer with the place of this replica, and with what it was asked."""
    return {
        "node": ray.get_runtime_context().get_node_id(),
        "pid": os.getpid(),
        "id": context.request_id,
        "event": event.decode(),
    }


def noted(event: bytes, context: Context) -> dict[str, Any]:
    """Note in a file that this event runs, then take a moment."""
    with open("runs", "a") as runs:
        runs.write(f"{event.decode()}\n")
    if event.startswith(b"hold"):
        return held(event, context)
    time.sleep(0.05)
    return where(event, context)


def held(event: bytes, context: Context) -> dict[str, Any]:
    """Say that this event has begun, and answer once a file of its name is there."""
    name = event.decode()
    Path(f"{name}.{os.getpid()}.begun").touch()
    while not Path(name).exists():
        time.sleep(0.02)
    return where(event, context)


class Greeter:
    """Answers with its greeting, and notes its end."""

    def __init__(self, greeting: str = "Hello", secret: str = "") -> None:
        self.greeting = greeting
        self.secret = secret

    @hookimpl
    def invoke(self) -> dict[str, Any]:
        return {"greeting": self.greeting, "pid": os.getpid(), "secret": len(self.secret)}

    @hookimpl
    def pre_stop(self) -> None:
        Path(f"stopped.{os.getpid()}").touch()
