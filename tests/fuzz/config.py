"""Fuzz the configuration loader: ``python tests/fuzz/config.py SECONDS [CORPUS]``.

Needs atheris. Any exception but ``ConfigError`` ends the run with the bytes that did it in a file
``crash-*``.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["fcplug", "yaml"]):
    import fcplug.config.loader  # noqa: F401

from fuzz.seeds import SEEDS, load


def one(data: bytes) -> None:
    """Load what a file of these bytes holds."""
    load(data.decode("utf-8", "ignore"))


def main() -> None:
    """Begin with the seeds, go on for so many seconds."""
    seconds, folder = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "fuzz-corpus")
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(SEEDS):
        (folder / f"seed-{number}").write_text(text, "utf-8")
    options = [f"-max_total_time={seconds}", "-max_len=2048", "-print_final_stats=1", "-timeout=5"]
    atheris.Setup([sys.argv[0], *options, str(folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
