"""``fcplug manifest``: the files that deploy what is configured."""

import click

from fcplug.tools import manifest_serverless
from fcplug.tools.command import Group


@click.group(
    "manifest",
    cls=Group,
    examples=("fcplug manifest s.yaml", "fcplug manifest s.yaml -o ."),
)
def command() -> None:
    """Write the files that deploy the functions of functions.yaml.

    Each command prints its file, or writes it into a folder with -o. A file that somebody has
    edited is never overwritten without --force.
    """


command.add_command(manifest_serverless.command)
