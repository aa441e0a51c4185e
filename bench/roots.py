"""Measures the cold start of built packages in the root of their image.

``PYTHONPATH=tests python bench/roots.py`` builds the package of one project with each option of
``fcplug build`` that changes what is started, and changes copies of it where there is no option. It
starts each in a Debian root: read-only, not as root, without a network. All take turns, so that
other work on the machine slows all alike. Needs root and debootstrap; ``--root FOLDER`` takes a
finished root.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from contestants import PEERS
from family import processor_seconds
from fcplug.build import interpreter
from fcplug.build.target import IMAGES, Target
from fcplug.config.stored import SUFFIX
from samples import rotated, spread
from support import debian_root, fc_python
from support.debian_root import Box
from support.packages import build, project, unpack

_BASE = "the script"
_CONFIG = """\
version: 1
functions:
  bench: {handler: index.handle}
  hello: {handler: hello}
  thumbnails: {handler: thumbnail}
"""
_MANY = "".join(f"  other-{number}: {{handler: hello}}\n" for number in range(997))
_WAIT = 'echo ready; read -r _; exec "$@"'
_NAMED = {"FC_FUNCTION_NAME": "bench"}


class Start(NamedTuple):
    """Seconds from exec to the first answer: elapsed, and of a processor."""

    elapsed: float
    processor: float


class Place(NamedTuple):
    """Where packages are built, and where they start."""

    image: str
    root: Path
    folder: Path
    python: str
    """A Python of this machine with the version of the image's."""

    def package(self, name: str, config: str, *options: str) -> Path:
        """Build a package and return its files."""
        files = {"index.py": (PEERS / "index.py").read_text()}
        source = project(self.folder / f"project-{name}", config, files)
        package = source / "package.zip"
        done = build(source, "--image", self.image, "--output", str(package), *options)
        assert done.returncode == 0, done.stderr
        return unpack(package, self.folder / name)

    def changed(self, name: str, code: Path, change: Callable[[Path], object]) -> Path:
        """Change a copy of a package."""
        copy = shutil.copytree(code, self.folder / name)
        change(copy)
        return copy

    def compile(self, code: Path, mode: str, level: int = -1) -> None:
        """Compile a package again."""
        for cache in [*code.rglob("__pycache__")]:
            shutil.rmtree(cache)
        command = [self.python, "-m", "compileall", "-q", "--invalidation-mode", mode]
        command += ["-o", str(level)] if level >= 0 else []
        subprocess.run([*command, "-s", str(code), "-p", "/code", str(code)], check=True)

    def box(self, code: Path, environ: Mapping[str, str], *command: str) -> Box:
        """Return a box with a package at ``/code``, which starts at a line of its input."""
        subprocess.run(["chmod", "-R", "a+rX", code], check=True)
        waiting = ("sh", "-c", _WAIT, "sh", *(command or ("/code/bootstrap",)))
        return Box(self.root, waiting, environ, mounts={"/code": code})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--image", choices=("custom.debian11", "custom.debian12"))
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        boxes = dict(_boxes(_place(given.image or "custom.debian12", given.root, Path(name))))
        starts: dict[str, list[Start]] = {title: [] for title in boxes}
        for turn in range(given.rounds + 1):
            for title in rotated(list(boxes), turn):
                start = _first_answer(boxes[title], Path(name) / "log")
                starts[title] += [start] if turn else []  # the first round fills the page cache
    base = [statistics.median(figures) for figures in zip(*starts[_BASE], strict=True)]
    print(f"{given.rounds} rounds; the script: {base[0]:.3f} s, {base[1]:.3f} s of a processor")
    for title, each in starts.items():
        elapsed, processor = (_ratio(each, starts[_BASE], figure) for figure in (0, 1))
        print(f"{title:54}processor {processor}   elapsed {elapsed}")


def _ratio(own: list[Start], base: list[Start], figure: int) -> str:
    ratio = spread(a[figure] / b[figure] for a, b in zip(own, base, strict=True))
    assert ratio is not None
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _place(image: str, root: Path | None, folder: Path) -> Place:
    target = Target(image, IMAGES[image].python, "x86_64")
    found = interpreter.find(target, {"PATH": "", "HOME": str(Path.home())}, folder)
    if root is None and image == "custom.debian11":
        root = debian_root.make_unpacked(folder / "root", "bullseye", fc_python.PACKAGES)
        fc_python.install(root, folder)
    return Place(image, root or debian_root.make(folder / "root"), folder, found)


def _boxes(place: Place) -> Iterator[tuple[str, Box]]:
    """Yield what is started, by what the tables call it."""
    usual = place.package("usual", _CONFIG)
    yield _BASE, _script(place, usual)
    yield "fcplug build", place.box(usual, _NAMED)
    yield "fcplug build, FC_FUNCTION_NAME not set", place.box(usual, {})
    one = place.package("one", _CONFIG, "--function", "bench")
    yield "fcplug build --function bench", place.box(one, _NAMED)
    plain = place.package("plain", _CONFIG, "--no-compile")
    yield "fcplug build --no-compile", place.box(plain, _NAMED)
    for mode, title in (("checked-hash", "hashes"), ("timestamp", "times")):
        code = place.changed(mode, usual, partial(place.compile, mode=mode))
        yield f"compiled code whose {title} are checked", place.box(code, _NAMED)
    code = place.changed("short", usual, partial(place.compile, mode="unchecked-hash", level=2))
    yield "PYTHONOPTIMIZE=2", place.box(code, {**_NAMED, "PYTHONOPTIMIZE": "2"})
    yield "no stored configuration", place.box(_without_stored(place, usual), _NAMED)
    many = place.package("many", _CONFIG + _MANY)
    yield "1,000 functions", place.box(many, _NAMED)
    yield (
        "1,000 functions, no stored configuration",
        place.box(_without_stored(place, many), _NAMED),
    )


def _without_stored(place: Place, code: Path) -> Path:
    stored = f"config/functions.yaml{SUFFIX}"
    return place.changed(f"{code.name}-yaml", code, lambda copy: (copy / stored).unlink())


def _script(place: Place, code: Path) -> Box:
    """Return the base of the bench, with the packages and the compiled code of a package."""

    def add(copy: Path) -> None:
        for name in ("falcon_waitress.py", "falcon_app.py"):
            shutil.copy(PEERS / name, copy)
        place.compile(copy, "unchecked-hash")

    of_fc = [*place.root.glob("var/fc/lang/python3.*/bin/python3")]  # as bootstrap finds it
    python = f"/{of_fc[0].relative_to(place.root)}" if of_fc else "python3"
    copy = place.changed("script", code, add)
    script = (python, "/code/falcon_waitress.py", "9000")
    return place.box(copy, {"PYTHONPATH": "/code/python"}, *script)


def _first_answer(box: Box, log: Path) -> Start:
    with debian_root.spawned(box, log, subprocess.PIPE) as instance:
        instance.wait_for("^ready")
        instance.port = 9000
        assert instance.process.stdin is not None
        before = processor_seconds(instance.inside)
        begun = time.perf_counter()
        instance.process.stdin.write(b"\n")
        instance.process.stdin.close()
        while instance.process.poll() is None:
            with closing(instance.connect()) as connection:
                try:
                    connection.request("POST", "/invoke", b"{}", {"x-fc-function-name": "bench"})
                    response = connection.getresponse()
                except ConnectionError:
                    time.sleep(0.0005)
                    continue
                assert response.status == 200, (response.read(), instance.log)
                elapsed = time.perf_counter() - begun
                return Start(elapsed, processor_seconds(instance.inside) - before)
        raise AssertionError(instance.log)


if __name__ == "__main__":
    main()
