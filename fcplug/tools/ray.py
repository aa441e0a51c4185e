"""``fcplug ray``: the functions of a configuration on a Ray cluster."""

import importlib.util
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any

import click

from fcplug.config.file import ConfigFile
from fcplug.errors import ToolsMissing
from fcplug.tools.command import Command


@click.command(
    "ray",
    cls=Command,
    examples=(
        "fcplug ray",
        "fcplug ray config/functions.yaml --port 8000",
        "fcplug ray --address 10.0.0.1:6379 --host 0.0.0.0 --entries 2 --upload",
    ),
)
@click.argument("config", required=False)
@click.option(
    "--address",
    envvar="RAY_ADDRESS",
    metavar="HOST:PORT",
    help="A cluster that runs, or auto for the one of this machine; without it one is started here "
    "and ends with this command.  [default: $RAY_ADDRESS]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The interface of a node to listen on; 0.0.0.0 for all.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9000,
    show_default=True,
    help="The port to listen on.",
)
@click.option("--head-only", is_flag=True, help="Take requests on the head of the cluster alone.")
@click.option(
    "--entries",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    metavar="N",
    help="Replicas of the entry, which takes the requests; 2 or more to survive the loss of one.",
)
@click.option(
    "--upload", is_flag=True, help="Send this folder to all nodes; else they must have it already."
)
def command(config: str | None, **options: Any) -> int:
    """Run each function on a Ray cluster, with as many replicas as its key 'scale' says.

    CONFIG is the configuration, if not config/functions.yaml. Every function becomes a deployment
    of Ray Serve whose replicas run fcplug's own runtime; an entry takes requests over HTTP, as
    'fcplug serve' does, and routes them. Ray starts, watches, restarts and scales the replicas.

    An edit of CONFIG gives new replicas to the functions that it changes; the others keep theirs.
    An edit with a mistake is refused, and the functions from before serve on.

    It runs until Ctrl-C or SIGTERM, and then takes its functions off the cluster. Exit codes: 0
    stopped by SIGTERM, 130 by Ctrl-C, 1 it could not start, 2 wrong usage.
    """
    environ = dict(os.environ)
    file = ConfigFile(config, environ)
    first = file.load()
    found = [importlib.util.find_spec(name) for name in ("ray", "starlette", "uvicorn")]
    if not all(spec and spec.origin for spec in found):  # without an origin: a folder of that name
        raise ToolsMissing("fcplug ray", ["ray[serve]"], "ray")
    for name, value in _variables(options["address"], sys.stdout.isatty()).items():
        os.environ.setdefault(name, value)  # Ray reads them when it is imported
    from fcplug.ray.application import EntryPlace  # noqa: PLC0415 - it imports Ray
    from fcplug.tools.ray_session import Session  # noqa: PLC0415

    entry = EntryPlace(options.pop("entries"), on_head=options["head_only"])
    return Session(file, first, entry).run(options)


def _variables(address: str | None, terminal: bool) -> Mapping[str, str]:
    """Return variables of Ray: no statistics for its makers, and each line of the log as it is.

    A cluster that is started here gets a token: Ray listens on all interfaces, and whoever may talk
    to it may run code.
    """
    own = {} if address else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_COLOR_PREFIX": "1" if terminal else "0",
        **own,
    }
