"""Coverage-guided fuzzing of the request parser: ``python tests/fuzz/parser.py SECONDS [CORPUS]``.

Needs atheris. Any exception, and any stream whose reading depends on how it is cut, ends the run
with the bytes that did it in a file ``crash-*``.
"""

import random
import socket
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["fcplug.server"]):
    import fcplug.server.waitress.parser  # noqa: F401
    from fcplug.server.limits import Limits, WaitressSettings

from resilience.differential import generate, ours


def seed(folder: Path) -> None:
    """Begin with the grammar's streams: bytes alone take long to find HTTP."""
    folder.mkdir(exist_ok=True)
    for number in range(500):
        (folder / f"seed-{number}").write_bytes(generate(random.Random(number)))


def main() -> None:
    seconds, folder = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "fuzz-corpus")
    seed(folder)
    with socket.socket() as sock:
        settings = WaitressSettings(Limits(max_body=2000, max_header=2000), sock)

    def one(data: bytes) -> None:
        if not data:
            return
        at = data[0] % len(data)
        whole, pieces = ours(settings, [data]), ours(settings, [data[:at], data[at:]])
        assert (whole.seen, bool(whole.refused)) == (pieces.seen, bool(pieces.refused))

    options = [f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
