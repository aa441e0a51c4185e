"""Code packages for tests: projects, wheels made by hand, ``fcplug build``, the unpacked result."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.commands import environment

_IMAGES = {(3, 10): "custom.debian10", (3, 11): "custom.debian12", (3, 12): "custom.debian11"}
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHON = f"{sys.base_prefix}/bin/python{VERSION}"
"""The interpreter below this environment: it has no fcplug."""

GREETER = """\
from pathlib import Path

def handle(event, context):
    return (Path(__file__).parent / "texts/greeting.txt").read_text() + event.decode()
"""
CONFIG = """\
version: 1
functions:
  greet: {handler: greeter:handle}
  hello: {handler: hello, middleware: [audit]}
  thumbnails: {handler: thumbnail}
"""


class Shared(NamedTuple):
    """A project, what its build printed, and its unpacked package."""

    folder: Path
    output: str
    code: Path


def target_options() -> list[str]:
    """Return the options of ``fcplug build`` for an image with the Python of this process."""
    image = _IMAGES.get(sys.version_info[:2])
    return ["--image", image] if image else ["--python", VERSION]


def variables(**extra: str) -> dict[str, str]:
    """Return the environment of a build: where caches and indexes are, and little else."""
    names = ("HOME", "SSL_CERT_FILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    settings = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "UV_"))}
    return environment(**{**kept, **settings, **extra})


def build(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run ``fcplug build`` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "fcplug", "build", *arguments],
        cwd=folder, env=variables(**(environ or {})), capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def project(folder: Path, config: str, files: Mapping[str, str] | None = None) -> Path:
    """Write a code folder, without bootstrap."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "functions.yaml").write_text(config)
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def full_project(folder: Path) -> Path:
    """Write a code folder with all kinds of plugins, and what must not get into a package."""
    files = {
        "greeter.py": GREETER,
        "texts/greeting.txt": "Hello, ",
        "texts/tests/test_greeting.py": "",
        "texts/key.pem": "private",
        ".env": "PASSWORD=secret",
        ".git/config": "",
        "tests/test_greeter.py": "",
        "notes.txt": "not needed",
    }
    return project(folder, CONFIG, files)


def unpack(package: Path, folder: Path) -> Path:
    """Unpack a code package as Function Compute does: with its modes."""
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            file = Path(archive.extract(entry, folder))
            file.chmod(entry.external_attr >> 16)
    return folder


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel of one module, in a new file each time."""
    folder.mkdir(parents=True, exist_ok=True)
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    contents = {
        f"{module}.py": f"made = {time.time_ns()}\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},,\n" for path in (*contents, f"{info}/RECORD"))
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**contents, f"{info}/RECORD": record}.items():
            archive.writestr(each, text)
    return path
