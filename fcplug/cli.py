"""The command line: ``fcplug serve``, and what prints the files that a project needs."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import fcplug
from fcplug import logs, protocol
from fcplug.config.file import ConfigFile
from fcplug.config.search import FILE, VARIABLE
from fcplug.errors import FcplugError, OutputError
from fcplug.instance import Instance, port_of

if TYPE_CHECKING:
    import argparse

    from fcplug.process.handover import Handover

_START = "from fcplug.__main__ import main; main()"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - FC connects from outside


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 an error told, 2 wrong usage."""
    given = sys.argv[1:] if argv is None else argv
    try:
        if given == ["serve"]:  # as FC starts it: nothing to parse
            serve(None, _EVERYWHERE, None, dict(os.environ))
        options = _parser().parse_args(given)
        if options.command != "serve":
            _put(options.command, options.output, force=options.force)
            return 0
        if options.reload:
            return serve_and_reload(options.config, options.host, options.port, dict(os.environ))
        handover = _handover(options.handover)
        serve(options.config, options.host, options.port, dict(os.environ), handover)
    except FcplugError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one place that speaks to a terminal
        return 1


def _parser() -> "argparse.ArgumentParser":
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="fcplug", description="Serve many functions as one Function Compute custom runtime."
    )
    parser.add_argument("--version", action="version", version=f"fcplug {fcplug.__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )
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
    serve_command.add_argument(
        "--reload",
        action="store_true",
        help="for development: start a new process when the code changes (needs fcplug[tools])",
    )
    serve_command.add_argument("--handover", help=argparse.SUPPRESS)  # of --reload's own
    for name, what in (
        ("bootstrap", "the start file of a code package"),
        ("schema", "the JSON Schema of functions.yaml, for editors"),
    ):
        command = commands.add_parser(name, help=f"print {what}")
        command.add_argument(
            "-o", "--output", metavar="FILE", help="write it to FILE, and not to standard output"
        )
        command.add_argument("--force", action="store_true", help="replace a FILE that is there")
    return parser


def _put(name: str, output: str | None, *, force: bool) -> None:
    """Print a file of the package, or write it where ``output`` says."""
    from fcplug import assets  # noqa: PLC0415 - nothing that serves needs it

    asset = assets.BOOTSTRAP if name == "bootstrap" else assets.SCHEMA
    if output is not None:
        asset.write(output, force=force)
        return
    try:
        with open(1, "wb", closefd=False) as out:  # standard output, as bytes
            out.write(asset.read())
    except OSError as error:
        raise OutputError("standard output", error.strerror or str(error)) from None


def _handover(descriptors: str | None) -> "Handover | None":
    if descriptors is None:
        return None
    from fcplug.process.handover import Handover  # noqa: PLC0415 - for what --reload starts

    return Handover(descriptors)


def serve(
    file: str | None,
    host: str,
    port: int | None,
    environ: Mapping[str, str],
    handover: "Handover | None" = None,
) -> NoReturn:
    """Serve the functions of a configuration file until told to stop, and end the process.

    Raises:
        FcplugError: the configuration is wrong, or the port cannot be had.
    """
    watched = ConfigFile(file, environ)
    Instance(watched, watched.load(), environ).run(host, port, handover)


def serve_and_reload(
    file: str | None, host: str, port: int | None, environ: Mapping[str, str]
) -> int:
    """Serve, by a new process whenever the code has changed; return the exit code.

    Raises:
        FcplugError: as ``serve``; also if what finds changes is not installed.
    """
    from fcplug import server  # noqa: PLC0415 - none of it is needed to serve
    from fcplug.plugins import code_path  # noqa: PLC0415
    from fcplug.tools import reload  # noqa: PLC0415

    reload.require()
    watched = ConfigFile(file, environ)
    config = watched.load()
    logs.configure(config.runtime.log_format, config.runtime.log_level)
    command = [sys.executable, "-c", _START, "serve", "--host", host]
    if file:
        command += ["--config", file]
    with server.bind(host, port_of(environ, port)) as listener:
        folders = reload.watched_folders(code_path.folder(environ))
        return reload.run(command, listener, folders, config.file)
