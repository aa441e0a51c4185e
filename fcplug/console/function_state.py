"""How a function is: what the overview says of it in one word, and why."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from fcplug.console.figures import Summary, summary
from fcplug.console.inspection import FunctionFacts, Inspected
from fcplug.platform.model import FunctionConfig, InstanceInfo, InstanceState, Invocation, Platform

State = Literal["ready", "initializing", "broken", "idle"]
_READY = (InstanceState.READY, InstanceState.BUSY, InstanceState.FROZEN)
_INITIALIZING = (InstanceState.STARTING, InstanceState.INITIALIZING)


class FunctionView(NamedTuple):
    """A function with all that is known of it.

    Attributes:
        facts: of its plugins, None for other runtimes and before they were inspected.
        error: the last words of its latest instance, if that failed.
        living: instances that have not ended.
        recent: its calls, newest first.
    """

    config: FunctionConfig
    facts: FunctionFacts | None
    state: State
    error: str
    living: Sequence[InstanceInfo]
    recent: Sequence[Invocation]
    figures: Summary


def views(
    platform: Platform, inspected: Inspected | None, invocations: Sequence[Invocation]
) -> Sequence[FunctionView]:
    """Return every function of the platform."""
    instances = platform.instances()
    recent: dict[str, list[Invocation]] = {}
    for each in invocations:
        recent.setdefault(each.call.function, []).append(each)
    found = []
    for name, config in platform.functions.items():
        own = [each for each in instances if each.function == name]
        living = [each for each in own if each.state is not InstanceState.ENDED]
        facts = inspected.functions.get(name) if inspected else None
        latest = max(own, key=lambda each: each.steps[0][0] if each.steps else 0.0, default=None)
        error = latest.error if latest else ""
        calls = recent.get(name, [])
        state = _state(living, error, facts)
        found.append(FunctionView(config, facts, state, error, living, calls, summary(calls)))
    return found


def _state(living: Sequence[InstanceInfo], error: str, facts: FunctionFacts | None) -> State:
    states = {each.state for each in living}
    if error or (facts is not None and facts.broken):
        return "broken"
    if states.intersection(_INITIALIZING):
        return "initializing"
    return "ready" if states.intersection(_READY) else "idle"
