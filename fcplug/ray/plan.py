"""Which deployments a configuration needs, and what each asks of Ray Serve."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import convert, to_builtins
from msgspec.structs import replace

from fcplug.config.document import Document
from fcplug.config.loader import Config
from fcplug.config.model import FunctionSpec, RuntimeEntry
from fcplug.config.routes import MatchEntry, RouteEntry
from fcplug.config.scale import ScaleEntry
from fcplug.instance import STOP_LIMIT
from fcplug.ray.messages import Limits

ENTRY = "@entry"  # the deployment that routes; no function can have the name
_POOL = "@pool"
_CPUS = 0.1
_TARGET = 2.0  # calls at once for each replica, as Ray's own default
_UP_AFTER, _DOWN_AFTER = 30.0, 600.0  # seconds, as Ray's own defaults
_LOOK_BACK = 30.0  # seconds, at most, over which Ray averages the load


class Deployment(NamedTuple):
    """Functions that run in the same replicas: one function, or all of a pool.

    Attributes:
        shadows: the functions that get copies of their events, by name; they run beside them.
    """

    name: str
    functions: tuple[FunctionSpec, ...]
    scale: ScaleEntry
    shadows: Mapping[str, FunctionSpec]

    @property
    def code(self) -> Any:
        """What needs new replicas when it changes."""
        return (
            [(spec.without_limits(), spec.shadow) for spec in self.functions],
            {name: spec.without_limits() for name, spec in self.shadows.items()},
        )

    @property
    def limits(self) -> dict[str, list[Any]]:
        """What running replicas take over, as plain values."""
        return {spec.name: list(Limits.of(spec)) for spec in self.functions}


def deployments(config: Config) -> list[Deployment]:
    """Return the deployments of a configuration, in the order of its functions."""
    groups: dict[str, list[FunctionSpec]] = {}
    for spec in config.functions.values():
        pool = spec.scale.pool if spec.scale else None
        groups.setdefault(f"{pool}{_POOL}" if pool else spec.name, []).append(spec)
    return [
        Deployment(
            name,
            tuple(specs),
            specs[0].scale or ScaleEntry(),
            {
                spec.shadow.to: replace(config.functions[spec.shadow.to], shadow=None)
                for spec in specs
                if spec.shadow
            },
        )
        for name, specs in groups.items()
    ]


def options(deployment: Deployment, runtime: RuntimeEntry) -> dict[str, Any]:
    """Return the options of Ray Serve for a deployment of functions."""
    most, queue = _capacity(deployment, runtime)
    return {
        "name": deployment.name,
        "max_ongoing_requests": most,
        "max_queued_requests": queue,
        "graceful_shutdown_timeout_s": runtime.drain_timeout + STOP_LIMIT,
        "ray_actor_options": _resources(deployment.scale),
        "user_config": deployment.limits,
        **_replicas(deployment.scale),
    }


def routing(config: Config) -> dict[str, Any]:
    """Return what the entry needs to route calls, as plain values without any settings."""
    return {
        "functions": {
            spec.name: {
                "deployment": deployment.name,
                "timeout": spec.timeout,
                "concurrency": spec.concurrency,
            }
            for deployment in deployments(config)
            for spec in deployment.functions
        },
        "routes": to_builtins(config.routes, enc_hook=str),  # str: a text of the environment
        "default": config.default,
        "file": config.file,
    }


def routed(routing: Mapping[str, Any], runtime: RuntimeEntry) -> Config:
    """Return the configuration that ``routing`` describes: names and routes, for a router."""
    return Config(
        document=Document(routing["file"], {}, {}),
        runtime=runtime,
        functions={
            name: FunctionSpec(name=name, timeout=facts["timeout"])
            for name, facts in routing["functions"].items()
        },
        routes=convert(routing["routes"], tuple[RouteEntry, ...]),
        default=routing["default"],
    )


def alone(config: Config, spec: FunctionSpec, shadows: Mapping[str, FunctionSpec]) -> Config:
    """Return a configuration reduced to one function, which answers whatever a call asks for.

    The entry has chosen the function by then, and is the only one to ask for credentials. A shadow
    of the function is there, too, for the copies.
    """
    beside = {spec.shadow.to: shadows[spec.shadow.to]} if spec.shadow else {}
    return replace(
        config,
        runtime=replace(config.runtime, auth=None),
        functions={spec.name: spec, **beside},
        routes=(RouteEntry(MatchEntry(), spec.name),),
        default=None,
    )


def _capacity(deployment: Deployment, runtime: RuntimeEntry) -> tuple[int, int]:
    """Return how many calls a replica takes at once, and how many wait for one at an entry."""
    limited = [spec for spec in deployment.functions if spec.concurrency]
    if len(deployment.functions) == 1 and limited:
        return limited[0].concurrency or 1, max(1, limited[0].queue)  # Ray lets at least one wait
    own = sum((spec.concurrency or 0) + spec.queue for spec in limited)
    return runtime.threads + own, -1


def _replicas(scale: ScaleEntry) -> dict[str, Any]:
    if scale.max is None:
        return {"num_replicas": scale.replicas or 1, "autoscaling_config": None}
    up = _UP_AFTER if scale.up_after is None else scale.up_after
    down = _DOWN_AFTER if scale.down_after is None else scale.down_after
    look_back = min(_LOOK_BACK, max(1.0, up))
    least = 1 if scale.min is None else scale.min
    return {
        "autoscaling_config": {
            "min_replicas": least,
            "initial_replicas": least,
            "max_replicas": scale.max,
            "target_ongoing_requests": scale.target or _TARGET,
            "upscale_delay_s": up,
            "downscale_delay_s": down,
            "look_back_period_s": look_back,
            "metrics_interval_s": look_back / 3,
        }
    }


def _resources(scale: ScaleEntry) -> dict[str, Any]:
    given: dict[str, Any] = {"num_cpus": _CPUS if scale.cpus is None else scale.cpus}
    if scale.gpus:
        given["num_gpus"] = scale.gpus
    if scale.memory:
        given["memory"] = scale.memory
    if scale.resources:
        given["resources"] = dict(scale.resources)
    return given
