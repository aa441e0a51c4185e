"""The lives of instances as a timeline draws them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fcplug.platform.model import InstanceInfo, InstanceState, Invocation

_MOST_CALLS = 400  # that are drawn of one instance
_LEAST = 10.0  # seconds that a timeline shows at least
_LEAST_WIDTH = 0.15  # percent, so that it is seen

# how the steps of an instance begin, and the part of its life that begins there
_PARTS = (
    ("starts", "starting"),
    ("initializes", "initializing"),
    ("ready", "ready"),
    ("thawed", "ready"),
    ("frozen", "frozen"),
    ("stops", "stopping"),
    ("failed", "failed"),
    ("ended", ""),
)


class Part(NamedTuple):
    """A part of a life: where it begins and how long it is, in percent of the timeline."""

    kind: str
    left: float
    width: float
    title: str


class Life(NamedTuple):
    """One instance with the parts of its life, and its calls above them."""

    instance: InstanceInfo
    parts: Sequence[Part]
    calls: Sequence[Part]


class Timeline(NamedTuple):
    """The instances, the newest first, between two moments."""

    lives: Sequence[Life]
    begin: float
    end: float


def timeline(
    instances: Iterable[InstanceInfo], invocations: Sequence[Invocation], now: float
) -> Timeline:
    """Return the lives of instances up to now."""
    shown = sorted(
        (each for each in instances if each.steps), key=lambda each: each.steps[0][0], reverse=True
    )
    begin = min((each.steps[0][0] for each in shown), default=now)
    begin = min(begin, now - _LEAST)
    scale = _Scale(begin, now)
    calls = _calls(invocations, scale)
    lives = [Life(each, _parts(each, scale), calls.get(each.id, ())) for each in shown]
    return Timeline(lives, begin, now)


class _Scale(NamedTuple):
    begin: float
    end: float

    def part(self, kind: str, begin: float, end: float, title: str) -> Part:
        whole = self.end - self.begin
        left = 100 * (max(begin, self.begin) - self.begin) / whole
        width = max(100 * (min(end, self.end) - self.begin) / whole - left, _LEAST_WIDTH)
        return Part(kind, round(min(left, 100 - width), 3), round(width, 3), title)


def _parts(instance: InstanceInfo, scale: _Scale) -> Sequence[Part]:
    begun: list[tuple[float, str, str]] = []
    for at, step in instance.steps:
        kind = next((kind for start, kind in _PARTS if step.startswith(start)), None)
        if kind is not None:
            begun.append((at, kind, step))
    parts = []
    for index, (at, kind, step) in enumerate(begun):
        last = index == len(begun) - 1
        end = scale.end if last else begun[index + 1][0]
        if kind and not (last and instance.state is InstanceState.ENDED):
            parts.append(scale.part(kind, at, end, step))
        elif kind == "failed":
            parts.append(scale.part(kind, at, at, step))
    return parts


def _calls(invocations: Sequence[Invocation], scale: _Scale) -> Mapping[str, Sequence[Part]]:
    """Return the latest calls of each instance."""
    calls: dict[str, list[Part]] = defaultdict(list)
    for each in invocations:
        outcome = each.outcome
        if outcome is None or not outcome.instance_id:
            continue
        own = calls[outcome.instance_id]
        if len(own) < _MOST_CALLS and each.ended >= scale.begin:
            kind = "call" if outcome.succeeded else "failed-call"
            begin = each.ended - outcome.duration_ms / 1000
            own.append(scale.part(kind, begin, each.ended, f"{outcome.duration_ms:.1f} ms"))
    return calls
