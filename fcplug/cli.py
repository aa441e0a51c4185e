"""The command line: ``fcplug serve``."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import fcplug
from fcplug import protocol
from fcplug.config.file import ConfigFile
from fcplug.config.search import FILE, VARIABLE
from fcplug.errors import FcplugError
from fcplug.instance import Instance

if TYPE_CHECKING:
    import argparse

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - FC connects from outside


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 an error told, 2 wrong usage."""
    given = sys.argv[1:] if argv is None else argv
    try:
        if given == ["serve"]:  # as FC starts it: nothing to parse
            serve(None, _EVERYWHERE, None, dict(os.environ))
        options = _parser().parse_args(given)
        serve(options.config, options.host, options.port, dict(os.environ))
    except FcplugError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one place that speaks to a terminal
        return 1


def _parser() -> "argparse.ArgumentParser":
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="fcplug", description="Serve many functions as one Function Compute custom runtime."
    )
    parser.add_argument("--version", action="version", version=f"fcplug {fcplug.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve_command = commands.add_parser(
        "serve", help="serve the functions of functions.yaml until told to stop"
    )
    serve_command.add_argument(
        "--config",
        metavar="FILE",
        help=f"the configuration (default: ${VARIABLE}, else {FILE} here, else beside the code)",
    )
    serve_command.add_argument(
        "--host", default=_EVERYWHERE, help="the address to listen on (default: all)"
    )
    serve_command.add_argument(
        "--port",
        type=int,
        help=f"the port to listen on (default: ${', $'.join(protocol.PORT_VARIABLES)}, "
        f"else {protocol.DEFAULT_PORT}; 0 for any)",
    )
    return parser


def serve(file: str | None, host: str, port: int | None, environ: Mapping[str, str]) -> NoReturn:
    """Serve the functions of a configuration file until told to stop, and end the process.

    Raises:
        FcplugError: the configuration is wrong, or the port cannot be had.
    """
    watched = ConfigFile(file, environ)
    Instance(watched, watched.load(), environ).run(host, port)
