"""What a worker's interpreter runs first; it needs nothing but Python to say what is missing.

Started as a file, with the number of its socket, the ``sys.path`` to use as JSON (``null`` for the
interpreter's own), and the function's name, which is there for who lists processes.
"""

import json
import socket
import sys


def main() -> None:
    """Become a worker."""
    paths = json.loads(sys.argv[2])
    if paths is not None:
        sys.path[:] = paths
    try:
        from fcplug.workers.main import serve  # noqa: PLC0415 - only now the path is right
    except Exception as error:
        sys.exit(f"fcplug worker in {sys.executable}: {type(error).__name__}: {error}")
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
