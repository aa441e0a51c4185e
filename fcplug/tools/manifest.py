"""``fcplug manifest``: the files that deploy what is configured."""

import click

from fcplug.tools import manifest_cluster, manifest_container, manifest_serverless
from fcplug.tools.command import Group


@click.group(
    "manifest",
    cls=Group,
    examples=(
        "fcplug manifest s.yaml -o .",
        "fcplug manifest container -o .",
        "fcplug manifest kubernetes --image registry.example.com/shop:1.0",
    ),
)
def command() -> None:
    """Write the files that deploy the functions of functions.yaml.

    Each command prints its file, or writes it into a folder with -o. A file that somebody has
    edited is never overwritten without --force.
    """


command.add_command(manifest_serverless.command)
command.add_command(manifest_container.command)
command.add_command(manifest_cluster.for_kubernetes)
command.add_command(manifest_cluster.for_knative)
