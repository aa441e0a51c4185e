"""Start a worker; needs only Python, to report what is missing.

Its arguments are the number of its socket, the ``sys.path`` to use as JSON (``null`` for the
interpreter's own), and the function's name, which only makes lists of processes readable.
"""

import os
import sys

_HELLO = 1  # Kind.HELLO of workers/wire.py


def main() -> None:
    """Become a worker."""
    # a file in the code folder must not replace a module that is imported below
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]
    sys.path.sort(key=_is_working_directory)
    import json  # noqa: PLC0415
    import socket  # noqa: PLC0415

    sock = socket.socket(fileno=int(sys.argv[1]))
    paths = json.loads(sys.argv[2])
    if paths is not None:
        sys.path += [path for path in paths if path not in sys.path]
    try:
        if paths is not None:  # it is the runtime's own fcplug
            from fcplug import compiled_modules  # noqa: PLC0415 - needs the path from above

            compiled_modules.install()
        from fcplug.workers.main import serve  # noqa: PLC0415
    except Exception as error:
        import struct  # noqa: PLC0415

        problem = {"version": "", "problem": f"{type(error).__name__}: {error}"}
        header = json.dumps(problem).encode()
        sock.sendall(struct.pack("!BIIQ", _HELLO, 0, len(header), 0) + header)
        sys.exit(1)
    if paths is not None:
        sys.path[:] = paths
    serve(sock)


def _is_working_directory(path: str) -> bool:
    try:
        return os.path.abspath(path) == os.getcwd()
    except FileNotFoundError:
        return False  # it was deleted


if __name__ == "__main__":
    main()
