"""``fcplug dev``: Function Compute on this machine, for the functions of a folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fcplug.tools import dev_console, dev_functions, dev_keys, dev_triggers
from fcplug.tools import reload as reload_tools
from fcplug.tools.command import Command
from fcplug.tools.dev_functions import Functions
from fcplug.tools.dev_lines import Lines
from fcplug.tools.dev_session import Session, Settings
from fcplug.tools.progress import counting
from fcplug.tools.terminal import output

_PORT = 9999


@click.command(
    "dev",
    cls=Command,
    examples=(
        "fcplug dev",
        "fcplug dev --port 8080 --env LEVEL=debug",
        "fcplug dev --bucket photos=./photos",
        "fcplug dev --command 'python3 server.py' --function hello",
    ),
)
@click.option("--config", metavar="FILE", help="The configuration, if not config/functions.yaml.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=_PORT,
    show_default=True,
    help="The port of the API on 127.0.0.1; 0 for any.",
)
@click.option(
    "--console-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="The port of the console; 0 for any. Without it 9998, or any if that is in use.",
)
@click.option(
    "--host",
    default=dev_console.LOOPBACK,
    metavar="ADDRESS",
    help="Where the console listens. Others than 127.0.0.1 need the token in its printed URL.",
)
@click.option(
    "--command", "start", metavar="TEXT", help="Start this in the current folder, not bootstrap."
)
@click.option("--function", metavar="NAME", help="With --command: the function that it serves.")
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="A variable of the functions; without a value, as it is here. May be repeated.",
)
@click.option(
    "--key",
    "key_ids",
    multiple=True,
    metavar="ID[=NAME|=@FILE]",
    help="An access key that must sign requests. Its secret is in the variable NAME, else in "
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET, or in a file. May be repeated.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    metavar="NAME=FOLDER",
    help="A folder that stands for a bucket of OSS: files put there fire its triggers. "
    "May be repeated.",
)
@click.option("--freeze", is_flag=True, help="Stop the processes between calls, as FC does.")
@click.option("--no-reload", is_flag=True, help="Do not start new instances after an edit.")
def command(start: str | None, function: str | None, **options: Any) -> int:
    """Run the functions of this folder as Function Compute does.

    Each function is served by instances of its own, which start ./bootstrap when a call needs
    them: with FC's variables, the initialize call before the first invocation, and pre-stop at the
    end. The API of FC is on a port of 127.0.0.1: the official SDKs work with it, and so does
    'fcplug invoke' in this folder. The console is for a browser: it shows what happens, and calls.

    An edit of code or YAML gives the next calls new instances. As long as it has a mistake, the
    instances from before serve on.

    The triggers of functions.yaml fire: time triggers when they are due, and those of a bucket
    when a file is put, overwritten or removed in the folder that --bucket gives it. The functions
    find the buckets in the folder that the variable FCPLUG_BUCKETS names.

    It runs until Ctrl-C or SIGTERM. Exit codes: 0 stopped by SIGTERM, 130 by Ctrl-C, 1 it could not
    start, 2 wrong usage.
    """
    if (start is None) != (function is None):
        raise click.UsageError("--command and --function belong together")
    if start is not None and options["config"]:
        raise click.UsageError("--config is for fcplug's own functions, without --command")
    if not options["host"]:
        raise click.UsageError("--host needs an address, such as 127.0.0.1")
    os.environ.update(dev_functions.NO_BYTECODE)  # also for the process that looks at the hooks
    environ = dict(os.environ)
    extra = _variables(options["variables"], environ)
    keys = dev_keys.read(options["key_ids"], environ)
    reload = not options["no_reload"]
    if reload or options["buckets"]:
        reload_tools.require("fcplug dev (without --no-reload)" if reload else "--bucket")

    with dev_triggers.mounted(options["buckets"]) as buckets:
        variables = {**buckets.variables, **extra}

        def read() -> Functions:
            if start is not None and function is not None:
                functions = dev_functions.of_command(function, start, variables, Path.cwd())
            else:
                with counting("loading") as progress:
                    functions = dev_functions.of_file(
                        options["config"], environ, variables, progress
                    )
            return functions.frozen() if options["freeze"] else functions

        where = dev_console.address(options["console_port"], options["host"], options["port"])
        console = dev_console.opener(where, {**environ, **variables})
        session = Session(read, Lines(output()), Settings(console, keys, buckets.folders))
        return session.run(options["port"], reload=reload)


def _variables(given: tuple[str, ...], environ: Mapping[str, str]) -> Mapping[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name:
            raise click.UsageError("--env needs a name: --env NAME=VALUE")
        if not equals and name not in environ:
            raise click.UsageError(f"--env {name}: it is not set here; write --env {name}=VALUE")
        found[name] = value if equals else environ[name]
    return found
