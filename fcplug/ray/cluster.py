"""A Ray cluster that serves a configuration: joined or started, given versions, left again."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ray
from msgspec.structs import replace
from ray import serve

from fcplug import protocol
from fcplug.config.loader import Config
from fcplug.errors import FcplugError
from fcplug.plugins import code_path
from fcplug.ray import plan
from fcplug.ray.application import (
    LOGGING,
    LOGGING_OF_RAY,
    NAME,
    EntryPlace,
    Versions,
    application,
    source_of,
)
from fcplug.ray.replica import Source, enter_folder
from fcplug.result import format_error
from fcplug.runtime.runtime import Runtime


class ClusterError(FcplugError):
    """A cluster cannot be joined, started, or does not serve."""


class Where(NamedTuple):
    """The cluster, and the address at which it takes requests.

    Attributes:
        address: of a cluster that runs; None to start one on this machine.
        host: the interface of a node to listen on.
        port: the port to listen on.
        everywhere: whether each node with a replica listens, or the head alone.
        upload: whether the code folder goes to all nodes.
    """

    address: str | None
    host: str
    port: int
    everywhere: bool
    upload: bool


class State(NamedTuple):
    """How far a deployment is: Ray's word for it, replicas by state, and what is wrong."""

    status: str
    replicas: Mapping[str, int]
    message: str


class Cluster:
    """A cluster that this process has joined, or started.

    Args:
        where: which cluster.
        folder: the code folder.

    Raises:
        ClusterError: there is none at the address, or it cannot listen there.
    """

    def __init__(self, where: Where, folder: str) -> None:
        self._folder = folder
        self._versions = Versions()
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        try:
            _join(where, folder)
            serve.start(
                proxy_location="EveryNode" if where.everywhere else "HeadOnly",
                http_options={"host": where.host, "port": where.port},
                logging_config=LOGGING_OF_RAY,
            )
        except Exception as error:
            ray.shutdown()
            asked = where.address or "on this machine"
            what = str(error).partition("\n")[0]
            raise ClusterError(
                f"Ray {asked}: {what}\n  fix: start one with 'ray start --head', or name the one "
                "that runs with --address HOST:PORT"
            ) from error

    def deploy(self, config: Config, entry: EntryPlace) -> None:
        """Serve a configuration, or another version of it; what did not change runs on."""
        made = application(config, self._folder, self._versions, entry=entry)
        serve.run_many(
            [serve.RunTarget(made, name=NAME, route_prefix="/", logging_config=LOGGING)],
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )

    def mistakes(self, before: Config, after: Config) -> list[str]:
        """Return why functions that an edit changes cannot be loaded, tried on the cluster."""
        known = {deployment.name: deployment.code for deployment in plan.deployments(before)}
        trial = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(load_errors)
        tried = [
            trial.remote(source_of(deployment, after, self._folder))
            for deployment in plan.deployments(after)
            if known.get(deployment.name) != deployment.code
        ]
        return [text for texts in ray.get(tried) for text in texts]

    def states(self) -> tuple[str, dict[str, State]]:
        """Return Ray's word for the application as a whole, and the state of each deployment."""
        overview = serve.status().applications.get(NAME)
        if overview is None:
            return "NOT_STARTED", {}
        states = {
            name: State(
                facts.status.value,
                {str(state): count for state, count in facts.replica_states.items() if count},
                facts.message,
            )
            for name, facts in overview.deployments.items()
        }
        return overview.status.value, states

    def close(self) -> None:
        """Remove the application, once its replicas have ended their calls; leave the cluster."""
        serve.delete(NAME)
        ray.shutdown()  # ends a cluster that was started here


def _join(where: Where, folder: str) -> None:
    """Join a cluster, or start one."""
    settings: dict[str, Any] = {
        "namespace": NAME,
        "logging_level": logging.ERROR,
        "runtime_env": {"working_dir": folder} if where.upload else None,
    }
    if where.address:
        ray.init(address=where.address, **settings)
    else:
        ray.init(address="local", include_dashboard=False, **settings)


def load_errors(source: Source) -> Sequence[str]:
    """Load the functions of a source in a process of its own; return what is wrong with them."""
    enter_folder(source.folder)
    code_path.add({**os.environ, protocol.CODE_PATH_VARIABLE: os.getcwd()})
    texts = []
    config = replace(source.config, runtime=replace(source.config.runtime, observers=()))
    for spec in source.functions:
        runtime = Runtime(plan.alone(config, spec, source.shadows), dict(os.environ))
        for name, _, error in runtime.load([spec.name]):
            if error is not None:
                texts.append(f"function '{name}': {format_error(error)}")
        runtime.stop(1.0)
    return texts
