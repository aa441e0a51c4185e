"""The command line: ``fcplug serve``."""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import fcplug
from fcplug import config, logs, protocol
from fcplug.errors import BindError, FcplugError
from fcplug.result import explain

if TYPE_CHECKING:
    from fcplug.runtime import Runtime

_CONFIG_VARIABLE = "FCPLUG_CONFIG"
_CONFIG_FILE = "config/functions.yaml"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - FC connects from outside
_MOST_ROWS = 20  # functions listed one by one; of more, only those that failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 an error told, 2 wrong usage."""
    options = _parser().parse_args(argv)
    try:
        serve(options.config, options.host, options.port, os.environ)
    except FcplugError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one place that speaks to a terminal
        return 1


def _parser() -> argparse.ArgumentParser:
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
        help=f"the configuration (default: ${_CONFIG_VARIABLE}, else {_CONFIG_FILE})",
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
    """Serve until SIGTERM or SIGINT, then end the process: 0, or 1 if work was abandoned.

    Raises:
        FcplugError: the configuration is wrong, or the port cannot be had.
    """
    loaded = config.load(file or environ.get(_CONFIG_VARIABLE) or _CONFIG_FILE, environ)
    logs.configure(loaded.runtime.log_format, loaded.runtime.log_level)
    # FC waits for the port: it is open before Falcon and the plugins are imported
    from fcplug import server  # noqa: PLC0415

    sock = server.bind(host, _port(environ) if port is None else port)
    port = sock.getsockname()[1]
    count = f"{len(loaded.functions)} function{'' if len(loaded.functions) == 1 else 's'}"
    logs.say(f"{protocol.INITED_LINE}\n")
    logs.say(f"fcplug {fcplug.__version__} on port {port} serves {count} of {loaded.file}\n")
    from fcplug.app import create_app  # noqa: PLC0415
    from fcplug.runtime import Runtime  # noqa: PLC0415

    _add_code_paths(environ)
    runtime = Runtime(loaded)
    threading.Thread(
        target=_bring_to_life,
        args=(runtime, environ, port),
        name="fcplug-loader",
        daemon=True,
    ).start()
    health_path = loaded.runtime.health_path
    code = server.serve(
        create_app(runtime, environ, health_path=health_path),
        sock,
        server.Limits(threads=loaded.runtime.threads, drain_timeout=loaded.runtime.drain_timeout),
        express=lambda method, path: path == health_path and method in ("GET", "HEAD"),
        on_stop=lambda: runtime.stop(environ),
    )
    logging.shutdown()
    # sys.exit would wait for every thread that a plugin left behind
    os._exit(code)


def _port(environ: Mapping[str, str]) -> int:
    try:
        return protocol.port(environ)
    except ValueError as error:
        raise BindError(str(error)) from None


def _add_code_paths(environ: Mapping[str, str]) -> None:
    """Put the code and FC's layers on the path, in the order of FC's built-in runtime."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    code = os.path.abspath(environ.get(protocol.CODE_PATH_VARIABLE) or os.getcwd())
    layers = (f"{protocol.LAYER_PATH}/lib/{version}/site-packages", protocol.LAYER_PATH)
    wanted = [code, *filter(os.path.isdir, layers)]
    sys.path[:] = [*wanted, *(path for path in sys.path if path not in wanted)]


def _bring_to_life(runtime: "Runtime", environ: Mapping[str, str], port: int) -> None:
    """Load the functions while the server already listens, and say how each fares."""
    names = runtime.wanted(environ)
    plugins = {name: _plugins_of(runtime.config.functions[name]) for name in names}
    widths = max(map(len, names), default=0), max(map(len, plugins.values()), default=0)
    healthy = ""
    for name, package, error in runtime.load(names):
        outcome = package
        if error:
            logging.getLogger("fcplug").error("function '%s': %s", name, explain(error))
            outcome = f"NOT LOADED: {error.error_type} (see above)"
        elif not healthy:
            healthy = name
        if error or len(names) <= _MOST_ROWS:
            row = f"  {name:{widths[0]}}  {plugins[name]:{widths[1]}}  {outcome}"
            logs.say(f"{row.rstrip()}\n")
    header = f"{protocol.FUNCTION_NAME}: {healthy}"
    command = f"try: curl -d Ada -H '{header}' http://127.0.0.1:{port}/invoke"
    logs.say(f"{command if healthy else 'no function could be loaded'}\n")


def _plugins_of(spec: config.FunctionSpec) -> str:
    return " > ".join([*(item.name for item in spec.middleware), spec.handler])
