"""Measures the cold start of built packages in the root of their image.

``PYTHONPATH=tests python bench/roots.py`` builds the package of one project with each option of
``fcplug build`` that changes what is started. It starts each in a Debian 12 root: read-only, not
as XX Needs root and debootstrap; ``--root FOLDER`` takes a finished root.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from contestants import PEERS
from family import cpu_seconds
from samples import rotated, spread
from support import debian_root
from support.debian_root import Box
from support.packages import PYTHON, build, project, unpack

_BASE = "the script"
_CONFIG = """\
version: 1
functions:
  bench: {handler: index.handle}
  hello: {handler: hello}
  thumbnails: {handler: thumbnail}
"""
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "fcplug build": (),
    "fcplug build --function bench": ("--function", "bench"),
    "fcplug build --no-compile": ("--no-compile",),
}
_WAIT = 'echo ready; read -r _; exec "$@"'


class Start(NamedTuple):
    """Seconds from exec to the first answer: elapsed, and of a processor."""

    elapsed: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        root = given.root or debian_root.make(folder / "root")
        boxes = _boxes(folder, root)
        starts: dict[str, list[Start]] = {title: [] for title in boxes}
        for turn in range(given.rounds + 1):
            for title in rotated(list(boxes), turn):
                start = _first_answer(boxes[title], folder / "log")
                starts[title] += [start] if turn else []  # the first round fills the page cache
    base = [statistics.median(figures) for figures in zip(*starts[_BASE], strict=True)]
    print(f"{given.rounds} rounds; the script: {base[0]:.3f} s, {base[1]:.3f} s of a processor")
    for title, each in starts.items():
        elapsed, processor = (_ratio(each, starts[_BASE], figure) for figure in (0, 1))
        print(f"{title:42}{elapsed}   processor {processor}")


def _ratio(own: list[Start], base: list[Start], figure: int) -> str:
    ratio = spread(a[figure] / b[figure] for a, b in zip(own, base, strict=True))
    assert ratio is not None
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _boxes(folder: Path, root: Path) -> dict[str, Box]:
    files = {"index.py": (PEERS / "index.py").read_text()}
    boxes = {}
    for number, (title, options) in enumerate(_OPTIONS.items()):
        source = project(folder / f"project-{number}", _CONFIG, files)
        package = source / "package.zip"
        done = build(source, "--image", "custom.debian12", "--output", str(package), *options)
        assert done.returncode == 0, done.stderr
        code = unpack(package, folder / f"code-{number}")
        for one in ("bench", "") if not options else ("bench",):
            environ = {"FC_FUNC_CODE_PATH": "/code", **({"FC_FUNCTION_NAME": one} if one else {})}
            name = title if one else f"{title}, without FC_FUNCTION_NAME"
            boxes[name] = _box(root, code, ("/code/bootstrap",), environ)
    return {_BASE: _script(folder, root), **boxes}


def _script(folder: Path, root: Path) -> Box:
    """Return the base of the bench, with the packages and the compiled code of a package."""
    code = shutil.copytree(folder / "code-0", folder / "script")
    for name in ("falcon_waitress.py", "falcon_app.py"):
        shutil.copy(PEERS / name, code)
    compiling = [PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*compiling, "-s", str(code), "-p", "/code", str(code)], check=True)
    environ = {"PYTHONPATH": "/code/python"}
    return _box(root, code, ("python3", "/code/falcon_waitress.py", "9000"), environ)


def _box(root: Path, code: Path, command: tuple[str, ...], environ: Mapping[str, str]) -> Box:
    subprocess.run(["chmod", "-R", "a+rX", code], check=True)
    waiting = ("sh", "-c", _WAIT, "sh", *command)
    return Box(root, waiting, environ, mounts={"/code": code})


def _first_answer(box: Box, log: Path) -> Start:
    with debian_root.spawned(box, log, subprocess.PIPE) as instance:
        instance.wait_for("^ready")
        instance.port = 9000
        assert instance.process.stdin is not None
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
                return Start(time.perf_counter() - begun, cpu_seconds(instance.inside))
        raise AssertionError(instance.log)


if __name__ == "__main__":
    main()
