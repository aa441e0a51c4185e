"""The application of a configuration, as Ray Serve runs it."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace
from ray import serve

from fcplug.config.loader import Config
from fcplug.instance import STOP_LIMIT
from fcplug.ray import plan
from fcplug.ray.entry import Entry
from fcplug.ray.replica import Replica, Source

NAME = "fcplug"
_MOST_AT_ENTRY = 1000  # requests at once at one replica of the entry
LOGGING = {"log_level": "WARNING", "enable_access_log": False}  # no request in Ray's own logs
_HEAD = {"node:__internal_head__": 0.001}  # a resource that Ray gives its head
LOGGING_OF_RAY = {**LOGGING, "log_level": "ERROR"}  # its controller and proxies


class EntryPlace(NamedTuple):
    """How many replicas the entry has, and whether they all run on the head of the cluster."""

    replicas: int = 1
    on_head: bool = False


class Versions:
    """Numbers the versions of each deployment: a new one gets new replicas.

    An edit that leaves a deployment's functions as they are leaves it its replicas, too.
    """

    def __init__(self) -> None:
        self._run = os.urandom(4).hex()
        self._known: dict[str, tuple[Any, int]] = {}

    def of(self, name: str, code: Any) -> str:
        """Return the version of a deployment whose replicas are made from ``code``."""
        before, number = self._known.get(name, (None, 0))
        if before != code:
            number += 1
            self._known[name] = (code, number)
        return f"{self._run}-{number}"


def application(
    config: Config,
    folder: str,
    versions: Versions | None = None,
    *,
    entry: EntryPlace,
) -> Any:
    """Return the application of a configuration: a deployment for each function, and the entry.

    Args:
        config: the configuration.
        folder: the code folder.
        versions: keeps the replicas of what did not change since the last call.
        entry: replicas of the entry, and where they run.
    """
    functions = [
        _bound(deployment, config, folder, versions) for deployment in plan.deployments(config)
    ]
    made = serve.deployment(Entry).options(
        name=plan.ENTRY,
        num_replicas=entry.replicas,
        max_ongoing_requests=_MOST_AT_ENTRY,
        graceful_shutdown_timeout_s=config.runtime.drain_timeout + STOP_LIMIT,
        ray_actor_options={"num_cpus": 0, "resources": _HEAD if entry.on_head else {}},
        user_config=plan.routing(config),
        logging_config=LOGGING,
        **_version(versions, plan.ENTRY, None),
    )
    return made.bind(config.runtime, functions)


def source_of(deployment: plan.Deployment, config: Config, folder: str) -> Source:
    """Return what the replicas of a deployment are made from: nothing of other functions."""
    document = config.document._replace(values={})
    own = replace(config, document=document, functions={}, routes=(), default=None)
    threads = plan.options(deployment, config.runtime)["max_ongoing_requests"]
    return Source(own, deployment.functions, deployment.shadows, folder, threads)


def _bound(
    deployment: plan.Deployment, config: Config, folder: str, versions: Versions | None
) -> Any:
    options = plan.options(deployment, config.runtime)
    source = source_of(deployment, config, folder)
    made = serve.deployment(Replica).options(
        logging_config=LOGGING,
        **options,
        **_version(versions, deployment.name, deployment.code),
    )
    return made.bind(source)


def _version(versions: Versions | None, name: str, code: Any) -> Mapping[str, Any]:
    """Return the options that keep replicas over an edit: only Ray's internals have them."""
    if versions is None:
        return {}
    return {"version": versions.of(name, code), "_internal": True}
