"""The command line: ``fcplug serve``, the files that a project needs, and the tools."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import fcplug
from fcplug import logs, protocol
from fcplug.config.file import ConfigFile
from fcplug.config.search import FILE, VARIABLE
from fcplug.errors import FcplugError, OutputError, ToolsMissing, did_you_mean
from fcplug.instance import Instance, port_of
from fcplug.process import lazy_imports

if TYPE_CHECKING:
    import argparse

    from fcplug.assets import Asset
    from fcplug.process.handover import Handover

_START = "from fcplug.__main__ import main; main()"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - FC connects from outside
_COMPLETION = "_FCPLUG_COMPLETE"  # set by a shell that asks what may follow
_OWN = {
    "serve": "serve the functions of functions.yaml until a stop signal",
    "bootstrap": "print the start file of a code package",
    "schema": "print the JSON Schema of functions.yaml and of the installed plugins, for editors",
}
_EXAMPLES = {
    "serve": "fcplug serve --host 127.0.0.1 --reload",
    "bootstrap": "fcplug bootstrap -o bootstrap",
    "schema": "fcplug schema -o config/functions.schema.json --force",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0 done, 1 an error was reported or problems were found, 2 wrong usage, 130 interrupted.
    """
    given = sys.argv[1:] if argv is None else argv
    if given[:1] != ["serve"]:
        from fcplug.tools import exit_code  # noqa: PLC0415 - nothing that serves needs it

        exit_code.end_by_signals()
        return exit_code.of(lambda: _run(given))
    try:
        if (plain := _plain(given)) is not None:
            port = plain.get("--port")
            host = plain.get("--host", _EVERYWHERE)
            serve(plain.get("--config"), host, int(port) if port else None, dict(os.environ))
        options = _parser().parse_args(given)
        if options.reload:
            return serve_and_reload(options.config, options.host, options.port, dict(os.environ))
        handover = _handover(options.handover)
        serve(options.config, options.host, options.port, dict(os.environ), handover)
    except FcplugError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the only output to a terminal
        return 2 if isinstance(error, ToolsMissing) else 1


def _plain(given: Sequence[str]) -> dict[str, str] | None:
    """Return the options of ``serve`` where no argument parser is needed, as on FC; else None."""
    names, values = given[1::2], given[2::2]
    options = dict(zip(names, values, strict=False))
    port = options.get("--port", "0")
    is_plain = (
        len(names) == len(values)
        and options.keys() <= {"--config", "--host", "--port"}
        and not any(value.startswith("-") for value in values)
        and port.isascii()
        and port.isdigit()
    )
    return options if is_plain else None


def _run(given: Sequence[str]) -> int:
    """Run a command that does not serve."""
    from fcplug.tools import COMMANDS  # noqa: PLC0415

    if _COMPLETION in os.environ or (given and given[0] in COMMANDS):
        return _run_tool(given)
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return 2
    if given[0] not in _OWN and not given[0].startswith("-"):
        hint = did_you_mean(given[0], [*_OWN, *COMMANDS])
        parser.error(f"there is no command '{given[0]}'{hint}")
    options = parser.parse_args(given)
    asset = _asset(options)
    if options.output is None:
        _print(asset.read())
    else:
        asset.write(options.output, force=options.force)
    return 0


def _run_tool(given: Sequence[str]) -> int:
    """Run a command of the tools.

    Raises:
        ToolsMissing: the packages that it needs are not installed.
    """
    from importlib.util import find_spec  # noqa: PLC0415

    _require_folder()

    from fcplug.tools import PACKAGES  # noqa: PLC0415

    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise ToolsMissing(" ".join(["fcplug", *given[:1]]), missing)
    from fcplug.tools.main import run  # noqa: PLC0415

    return run(given, _OWN)


def _require_folder() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise FcplugError("the working directory was deleted: cd to another folder") from None


def _parser() -> "argparse.ArgumentParser":
    import argparse  # noqa: PLC0415

    from fcplug.tools import COMMANDS  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="fcplug",
        usage="fcplug [-h] [--version] COMMAND ...",
        description="Serve many functions as one Function Compute custom runtime, and work on them."
        " 'fcplug COMMAND --help' describes each command.",
        epilog="'fcplug new project NAME' creates a project to start with. "
        "Exit codes: 0 done, 1 problems found or a function failed, 2 wrong usage, "
        "130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"fcplug {fcplug.__version__}")
    commands = parser.add_subparsers(
        prog="fcplug", title="commands", metavar="COMMAND ...", dest="command"
    )
    own = {
        name: commands.add_parser(
            name, help=_OWN[name], description=_OWN[name], epilog=f"Example: {_EXAMPLES[name]}"
        )
        for name in ("serve", "bootstrap", "schema")
    }
    _add_serve(own["serve"])
    for name in ("bootstrap", "schema"):
        command = own[name]
        command.add_argument(
            "-o", "--output", metavar="FILE", help="write it to FILE instead of standard output"
        )
        command.add_argument("--force", action="store_true", help="replace an existing FILE")
        if name == "schema":
            _add_schema(command)
    for name, what in COMMANDS.items():
        commands.add_parser(name, help=what)
    return parser


def _add_schema(command: "argparse.ArgumentParser") -> None:
    which = command.add_mutually_exclusive_group()
    which.add_argument("--plain", action="store_true", help="leave out what is installed right now")
    which.add_argument(
        "--functions",
        nargs="?",
        const="",
        metavar="CONFIG",
        help="print the schemas of the functions' events and results, as OpenAPI 3.1, of this "
        "functions.yaml, else of the one that fcplug serve finds",
    )


def _add_serve(command: "argparse.ArgumentParser") -> None:
    import argparse  # noqa: PLC0415

    command.add_argument(
        "--config",
        metavar="FILE",
        help=f"the configuration (default: ${VARIABLE}, else {FILE} here, else beside the code)",
    )
    command.add_argument(
        "--host", default=_EVERYWHERE, help="the address to listen on (default: all)"
    )
    command.add_argument(
        "--port",
        type=int,
        help=f"the port to listen on (default: ${', $'.join(protocol.PORT_VARIABLES)}, "
        f"else {protocol.DEFAULT_PORT}; 0 for any)",
    )
    command.add_argument(
        "--reload",
        action="store_true",
        help="for development: start a new process when the code changes (needs fcplug[tools])",
    )
    command.add_argument("--handover", help=argparse.SUPPRESS)  # used by --reload


def _asset(options: "argparse.Namespace") -> "Asset":
    """Return the file that a command prints or writes."""
    from fcplug import assets  # noqa: PLC0415 - nothing that serves needs it

    if options.command == "bootstrap":
        return assets.BOOTSTRAP
    if options.plain:
        return assets.SCHEMA
    _require_folder()
    import json  # noqa: PLC0415

    from fcplug.inspection.installed_schema import installed_schema  # noqa: PLC0415

    if options.functions is not None:
        return assets.SCHEMA._replace(read=f"{json.dumps(_described(options), indent=2)}\n".encode)

    schema, broken = installed_schema(lambda _done, _all, _name: None)
    for plugin in broken:
        what = plugin.broken.partition("\n")[0]
        print(f"warning: {plugin.reference}: its settings are unknown: {what}", file=sys.stderr)  # noqa: T201
    return assets.SCHEMA._replace(read=f"{json.dumps(schema, indent=2)}\n".encode)


def _described(options: "argparse.Namespace") -> dict[str, Any]:
    """Return the OpenAPI document of the functions, and say what it lacks."""
    from fcplug.inspection.function_schemas import function_schemas  # noqa: PLC0415
    from fcplug.inspection.locating import locate  # noqa: PLC0415

    file = locate(options.functions or None, os.environ, "fcplug schema --functions")
    document, unknown = function_schemas(file, os.environ)
    for name, why in unknown:
        print(f"warning: {name}: its schema is unknown: {why}", file=sys.stderr)  # noqa: T201
    return document


def _print(data: bytes) -> None:
    try:
        with open(1, "wb", closefd=False) as out:  # standard output, as bytes
            out.write(data)
    except BrokenPipeError:
        pass  # the reader has what it wanted
    except OSError as error:
        raise OutputError("standard output", error.strerror or str(error)) from None


def _handover(descriptors: str | None) -> "Handover | None":
    if descriptors is None:
        return None
    from fcplug.process.handover import Handover  # noqa: PLC0415 - only a process of --reload needs it

    return Handover(descriptors)


def serve(
    file: str | None,
    host: str,
    port: int | None,
    environ: Mapping[str, str],
    handover: "Handover | None" = None,
) -> NoReturn:
    """Serve the functions of a configuration file until a stop signal, then end the process.

    Raises:
        FcplugError: the configuration is wrong, or the port cannot be opened.
    """
    watched = ConfigFile(file, environ)
    with lazy_imports.for_yaml():
        config = watched.load()
    Instance(watched, config, environ).run(host, port, handover)


def serve_and_reload(
    file: str | None, host: str, port: int | None, environ: Mapping[str, str]
) -> int:
    """Serve, with a new process each time the code changes; return the exit code.

    Raises:
        FcplugError: as ``serve``; also if the package that detects changes is not installed.
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
