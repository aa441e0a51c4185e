"""Run the command line: ``python -m fcplug``, and ``fcplug`` once it is installed.

The working directory often is the code folder. A file there may have the name of a module that the
runtime needs, so it is searched last until the runtime has imported what it needs; this module
imports nothing that could be such a file.
"""

import gc
import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    gc.disable()  # until it serves: what imports make stays
    path = sorted(sys.path, key=_is_working_directory)
    sys.path[:] = sorted(path, key=_is_not_pythons)  # most of what comes next is Python's own
    import datetime  # noqa: F401, PLC0415
    import functools  # noqa: F401, PLC0415

    gc.collect(0)  # their classes in Python, which those in C have replaced: 0.3 MB
    from fcplug import compiled_modules  # noqa: PLC0415 - only now the path is right

    compiled_modules.install()
    from fcplug.process import lazy_imports, lazy_patterns  # noqa: PLC0415

    lazy_imports.import_msgspec()
    lazy_imports.import_urllib()
    lazy_imports.import_socket()
    with lazy_patterns.lazy_patterns():  # of logging and what it imports
        from fcplug import cli  # noqa: PLC0415

    sys.path[:] = path
    sys.exit(cli.main())


def _is_not_pythons(path: str) -> bool:
    library = os.path.dirname(os.__file__)
    return path not in (library, os.path.join(library, "lib-dynload"))


def _is_working_directory(path: str) -> bool:
    try:
        return os.path.abspath(path) == os.getcwd()
    except FileNotFoundError:
        return False  # it was deleted


if __name__ == "__main__":
    main()
