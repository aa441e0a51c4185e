"""How many pods an application has, and what each of them reserves: what the key ``scale`` says."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from fcplug.config.loader import Config
from fcplug.config.scale import ScaleEntry
from fcplug.manifests.applications import Application

USUAL_MOST = 10  # pods, where nothing says how many


class Pods(NamedTuple):
    """How many pods a command is asked for; None where it is not."""

    least: int | None = None
    most: int | None = None


class Scaling(NamedTuple):
    """How an application is scaled.

    Attributes:
        least, most: how many pods.
        fixed: whether there are always as many, without an autoscaler.
        given: whether ``scale`` says how many.
        target: calls at once that each pod should have; None where nothing says.
        up_after, down_after: seconds of load, and without load, before pods come and go.
        cpus, gpus, memory, resources: what each pod reserves; bytes of memory; None where nothing
            says.
    """

    least: int
    most: int
    fixed: bool
    given: bool
    target: float | None
    up_after: float | None
    down_after: float | None
    cpus: float | None
    gpus: float
    memory: int | None
    resources: dict[str, float]


def scaling(config: Config, application: Application, asked: Pods, usual: int) -> Scaling:
    """Return how an application is scaled.

    Functions that run together have the largest of each value, and the smallest ``target`` and
    ``up_after``. Numbers of the command come before those of the configuration.

    Args:
        config: the functions, each with its ``scale``.
        application: which of them run.
        asked: the numbers of the command.
        usual: the least pods, where nothing says how many.
    """
    found = [scale for name in application.functions if (scale := config.functions[name].scale)]
    counted = [each for each in found if each.replicas or each.max]
    least, most = _counts(counted, asked, usual)
    return Scaling(
        least,
        most,
        fixed=bool(counted) and not any(each.max for each in counted) and asked == Pods(),
        given=bool(counted) and None in asked,
        target=_of(min, (each.target for each in counted)),
        up_after=_of(min, (each.up_after for each in counted)),
        down_after=_of(max, (each.down_after for each in counted)),
        cpus=_of(max, (each.cpus for each in found)),
        gpus=max((each.gpus for each in found), default=0),
        memory=_of(max, (each.memory for each in found)),
        resources=_largest(found),
    )


def _counts(counted: Sequence[ScaleEntry], asked: Pods, usual: int) -> tuple[int, int]:
    most = asked.most or max((each.max or each.replicas or 1 for each in counted), default=0)
    most = most or max(USUAL_MOST, asked.least or 0)
    if asked.least is not None:
        return asked.least, most
    least = [each.replicas or (1 if each.min is None else each.min) for each in counted]
    return max(least, default=min(usual, most)), most


def _of(choose: Callable[[Iterable[Any]], Any], values: Iterable[Any]) -> Any:
    given = [value for value in values if value is not None]
    return choose(given) if given else None


def _largest(found: Sequence[ScaleEntry]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for each in found:
        for name, amount in each.resources.items():
            largest[name] = max(amount, largest.get(name, 0))
    return largest
