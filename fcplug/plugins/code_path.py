"""Put the code folder and FC's layers on ``sys.path``.

The runtime's own modules are protected from files of the same name.
"""

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder

from fcplug import protocol
from fcplug.config import search

log = logging.getLogger("fcplug")

DEPENDENCIES = ("falcon", "httptools", "msgspec", "pluggy", "waitress", "yaml")
LATE_IMPORTS = (
    "argparse",
    "array",
    "asyncio",
    "base64",
    "binascii",
    "calendar",
    "concurrent.futures.thread",
    "ctypes",
    "dataclasses",
    "difflib",
    "encodings.idna",
    "faulthandler",
    "fcntl",
    "getopt",
    "hashlib",
    "http.cookiejar",
    "importlib.metadata",
    "ipaddress",
    "mimetypes",
    "pathlib",
    "queue",
    "resource",
    "selectors",
    "shlex",
    "termios",
    "textwrap",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "xml.etree.ElementTree",
    "zlib",
    "zoneinfo",
)  # standard library modules that the runtime and its dependencies import late


def add(environ: Mapping[str, str], layer: str = protocol.LAYER_PATH) -> None:
    """Put the code and FC's layers on the path, in FC's order.

    The runtime keeps its own modules even if files in the code folder have the same names; the log
    names these files.
    """
    for text in protect(environ):
        log.warning("%s", text)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    layers = (f"{layer}/lib/{version}/site-packages", layer)
    wanted = [folder(environ), *filter(os.path.isdir, layers)]
    sys.path[:] = [*wanted, *(path for path in sys.path if path not in wanted)]


def protect(environ: Mapping[str, str]) -> list[str]:
    """Import the runtime's modules before files of the same name.

    Returns warnings about these files.
    """
    code = folder(environ)
    clashes = list(_clashes(code))
    if not clashes:
        return []
    path = [each for each in sys.path if each != code]
    return list(_import_ahead(clashes, path))


def folder(environ: Mapping[str, str], fc: str = protocol.CODE_PATH) -> str:
    """Return the code folder: FC's, else the working directory.

    If the configuration exists only in FC's usual folder, that is the code folder.
    """
    if named := environ.get(protocol.CODE_PATH_VARIABLE):
        return os.path.abspath(named)
    here = os.getcwd()
    if environ.get(search.VARIABLE) or os.path.exists(os.path.join(here, search.FILE)):
        return here
    return fc if os.path.exists(os.path.join(fc, search.FILE)) else here


def source_in(folder: str, module: str) -> str:
    """Return a folder's file for a top-level module, or an empty string."""
    package = os.path.join(folder, module, "__init__.py")
    file = os.path.join(folder, f"{module}.py")
    return next(filter(os.path.isfile, (package, file)), "")


def _clashes(code: str) -> Iterator[tuple[str, str]]:
    """Yield name and file of code that has the name of a Python or runtime module."""
    try:
        found = {name.removesuffix(".py") for name in os.listdir(code)}
    except OSError:
        return  # the folder does not exist, so nothing in it can be imported
    found.discard("test")  # a common name, and the runtime does not use the standard library's
    for name in sorted(found & {*sys.stdlib_module_names, *DEPENDENCIES}):
        if source := source_in(code, name):
            yield name, source


def _import_ahead(clashes: Sequence[tuple[str, str]], path: Sequence[str]) -> Iterator[str]:
    """Import the runtime's modules without the code on the path; yield a warning per clash."""
    before, sys.path[:] = list(sys.path), path
    try:
        for late in LATE_IMPORTS:
            importlib.import_module(late)
        for name, _ in clashes:
            if name in DEPENDENCIES and PathFinder.find_spec(name, path):
                importlib.import_module(name)
    finally:
        sys.path[:] = before
    for name, source in clashes:
        module = sys.modules.get(name)
        other = getattr(module, "__file__", None) or "Python itself"
        if module is None and name not in DEPENDENCIES:
            yield (
                f"{source} replaces Python's module '{name}' for all code that imports it: "
                "rename the file, unless you intend this"
            )
        elif module is not None and other != source:
            yield (
                f"{source} is never imported: the runtime already uses the module '{name}' from "
                f"{other}, and a process can have only one module of a name; rename the file"
            )
