"""What a maintainer asks for first: Python, versions, paths, ports; never a credential."""

import os
import platform
import resource
import socket
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

import fcplug
from fcplug import protocol
from fcplug.config import search
from fcplug.errors import ConfigError
from fcplug.inspection import distributions
from fcplug.inspection.distributions import Installed, Trouble
from fcplug.inspection.locating import sound_config
from fcplug.inspection.plugin_facts import entries
from fcplug.plugins import code_path

_SHOWN = {
    *protocol.PORT_VARIABLES,
    *(protocol.CODE_PATH_VARIABLE, search.VARIABLE, "FCPLUG_PYTHON"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8"),
    *("PYTHONPYCACHEPREFIX", "PYTHONSAFEPATH", "PYTHONNOUSERSITE", "LANG", "LC_ALL", "TZ"),
}  # variables whose values are paths, numbers and switches
_NAMED = ("FC_", "FCPLUG_", "PYTHON")  # begin variables whose names are listed
_TOOLS = ("click", "jinja2", "packaging", "rich", "watchfiles", "pytest", "pip", "uv")


class Diagnosis(NamedTuple):
    """What is known of this installation.

    Attributes:
        sections: facts by their heading, each a name and a value.
        troubles: what is wrong with the installed distributions.
        notes: what may be as it should be.
    """

    sections: Mapping[str, Mapping[str, str]]
    troubles: Sequence[Trouble]
    notes: Sequence[Trouble]


def diagnose(environ: Mapping[str, str]) -> Diagnosis:
    """Look at this installation; nothing of the plugins is imported.

    Values of variables are shown only where they are paths, numbers or switches.
    """
    found = distributions.installed()
    sections = {
        "python": dict(_python()),
        "packages": dict(_packages(found)),
        "plugins": dict(_plugins()),
        "configuration": dict(_configuration(environ)),
        "environment": dict(_environment(environ)),
        "path": {str(number): path or "''" for number, path in enumerate(sys.path)},
    }
    notes = [*_port_notes(environ), *_compile_notes(found)]
    return Diagnosis(sections, list(distributions.troubles(found)), notes)


def _python() -> Iterator[tuple[str, str]]:
    yield "fcplug", f"{fcplug.__version__} in {os.path.dirname(fcplug.__file__)}"
    yield "python", f"{platform.python_implementation()} {sys.version}"
    yield "executable", sys.executable
    environment = "virtual environment" if sys.prefix != sys.base_prefix else "installation"
    yield "prefix", f"{sys.prefix} ({environment})"
    yield "platform", f"{platform.platform()}, {sysconfig.get_platform()}"
    yield "processors", str(os.cpu_count())
    yield "open files", str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield "user", str(os.geteuid())


def _packages(found: Sequence[Installed]) -> Iterator[tuple[str, str]]:
    needed = distributions.requires("fcplug", found)
    for each in found:
        if each.name in needed or each.name.lower() in _TOOLS:
            yield each.name, each.version


def _plugins() -> Iterator[tuple[str, str]]:
    for group, name, value, package, version in entries():
        yield f"{group.rpartition('.')[2]} {name}", f"{value} ({package} {version})"


def _configuration(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "code", code_path.folder(environ)
    yield "working directory", os.getcwd()
    try:
        config, problems = sound_config(None, environ, "fcplug check")
    except ConfigError as error:
        yield "file", str(error.problems[0])
        return
    if config is None and not problems:
        yield "file", "none"
        return
    file = config.file if config else problems[0].file
    yield "file", os.path.abspath(file)
    if environ.get(search.VARIABLE):
        yield "named by", search.VARIABLE
    if config:
        yield "functions", str(len(config.functions))
    yield "problems", f"{len(problems)}: fcplug check lists them" if problems else "0"


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted(environ):
        if name in _SHOWN:
            yield name, environ[name]
        elif name.startswith(_NAMED):
            yield name, "(set)"


def _port_notes(environ: Mapping[str, str]) -> Iterator[Trouble]:
    try:
        port = protocol.port(environ)
    except ValueError as error:
        yield Trouble(str(error), "set it to a number from 1 to 65535")
        return
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError as error:
            what = f"cannot listen on port {port}: {error.strerror}"
            yield Trouble(what, "stop the program that uses it, or serve with --port")


def _compile_notes(found: Sequence[Installed]) -> Iterator[Trouble]:
    """Yield what would be compiled at each cold start, of fcplug, its plugins and their needs."""
    roots = ["fcplug", *{each[3] for each in entries()}]
    needed = {name for root in roots for name in distributions.requires(root, found)}
    by_folder: dict[str, list[str]] = {}
    for each in found:
        if each.name in needed:
            _, modules, missing, folder = distributions.compiled(each)
            if missing:
                by_folder.setdefault(folder, []).append(f"{each.name} ({missing} of {modules})")
    for folder, names in by_folder.items():
        what = f"modules without bytecode, compiled at each cold start: {', '.join(names)}"
        yield Trouble(what, f"{sys.executable} -m compileall -q {folder}")
