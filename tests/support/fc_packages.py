"""A built package at ``/code`` in the root of its image, with Function Compute's environment."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support import debian_root
from support.conformance import CONFIG, ENVIRONMENT
from support.debian_root import Box, Boxed
from support.packages import build, project, unpack
from support.proving import FILES, OverSocket

SHOP = """\
version: 1
functions:
  hello: {handler: hello}
  about: {handler: places:about}
  slow: {handler: places:slow}
"""
PLACES = """\
import os
import sys
import time

_OF_THE_KERNEL = [("/", "proc"), ("/", "sys"), ("/", "dev")]

def about(event, context):
    places = []
    for folder, folders, _ in os.walk("/"):
        folders[:] = [name for name in folders if (folder, name) not in _OF_THE_KERNEL]
        places += [folder] if os.access(folder, os.W_OK) else []
    return {
        "places": places,
        "user": os.getuid(),
        "pid": os.getpid(),
        "home": os.environ["HOME"],
        "python": f"{sys.prefix} {sys.version_info[0]}.{sys.version_info[1]}",
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
    }

def slow(event, context):
    while not os.path.exists("/tmp/go"):
        time.sleep(0.01)
    return b"done"
"""


def shop(folder: Path, image: str) -> Path:
    """Build the package of a project for an image, and return the folder of the project."""
    project(folder, SHOP, {"places.py": PLACES})
    done = build(folder, "--image", image)
    assert done.returncode == 0, done.stderr
    return folder


@contextlib.contextmanager
def start(root: Path, code: Path, image: str, *, as_root: bool) -> Iterator[Boxed]:
    """Start an unpacked package as Function Compute does: its own user is root, on its own disk."""
    environ = {
        **ENVIRONMENT,
        "HOME": "/root" if as_root else "/tmp",
        "FC_FUNC_CODE_PATH": "/code",
        "FC_CUSTOM_LISTEN_PORT": "9000",
        "FC_FUNCTION_HANDLER": "index.handler",
        "FC_INSTANCE_ID": "c-6996ca5e-148f475d-24dde3e46771",
        "FC_RUNTIME": image,
        "FC_TIMEOUT": "60",
        "KATA_CONTAINER": "true",
    }
    user = 0 if as_root else 10001
    box = Box(root, ["/code/bootstrap"], environ, user, "/code", {"/code": code}, as_root)
    with debian_root.start(box, code.with_name(f"{code.name}.log")) as instance:
        yield instance


@contextlib.contextmanager
def table(root: Path, folder: Path, image: str, *, as_root: bool) -> Iterator[OverSocket]:
    """Start the package of a project with the functions of the conformance table in it."""
    code = unpacked(folder, f"table-{as_root}")
    for name, text in {"config/functions.yaml": CONFIG, **FILES}.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(text)
    subprocess.run(["chmod", "-R", "a+rX", code], check=True)  # whatever the umask is
    with start(root, code, image, as_root=as_root) as instance:
        yield OverSocket(Path("/code"), instance)


def unpacked(folder: Path, name: str) -> Path:
    """Unpack the package of a project beside it."""
    code = unpack(folder / "code.zip", folder.parent / name)
    subprocess.run(["chmod", "-R", "a+rX", code], check=True)  # whatever the umask is
    return code
