"""A Debian root made by debootstrap, and instances in it: no network, nothing of this machine."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from support.commands import unmeasured
from support.deployed import PATIENCE, Instance
from support.programs import needed
from support.waiting import wait_until

_NEW_NETWORK = 0x40000000
_SET_FLAGS, _UP = 0x8914, 0x1
_START = """\
set -e
root=$1 access=$2 user=$3 folder=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    mount -o "remount,bind,$access" "$root$2"
    shift 2
done
shift
mount -o "remount,bind,$access" "$root"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,ro "$root/dev"
less=
[ "$user" = 0 ] || less="--no-new-privs --bounding-set=-all"
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --clear-groups $less \\
    env -i --chdir="$folder" "$@"
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Box(NamedTuple):
    """What is started where.

    Attributes:
        root: the folder that becomes ``/``.
        command: the program and its arguments.
        environ: all of its variables.
        user: its user and group, a number.
        folder: its working directory.
        mounts: folders of this machine by where they are in the root.
        writable: whether more can be written than ``/tmp``.
    """

    root: Path
    command: Sequence[str]
    environ: Mapping[str, str]
    user: int = 10001
    folder: str = "/code"
    mounts: Mapping[str, Path] = {}
    writable: bool = False


class _Inside(HTTPConnection):
    """A connection that begins in the network of another process."""

    def __init__(self, pid: int, port: int, timeout: float) -> None:
        super().__init__("127.0.0.1", port, timeout=timeout)
        self._pid = pid

    def connect(self) -> None:
        with _network_of(self._pid):
            super().connect()


class Boxed(Instance):
    """An instance that is the first process of its box."""

    inside = 0
    """Its process id on this machine."""

    def connect(self, timeout: float = PATIENCE) -> HTTPConnection:
        return _Inside(self.inside, self.port, timeout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        os.kill(self.inside, number)
        return self.process.wait(PATIENCE)

    def run(self, *command: str, user: int = 10001) -> int:
        """Run a command in the box, and return its exit code."""
        enter = ["nsenter", f"--target={self.inside}", "--mount", "--net", "--pid", "--root"]
        done = subprocess.run(
            [*enter, f"--setuid={user}", f"--setgid={user}", *command],
            env={"PATH": PATH}, capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return done.returncode

    def is_healthy(self, check: Sequence[str]) -> bool:
        """Return whether the health check of the image succeeds."""
        return self.run(*check) == 0


def make(folder: Path, release: str = "bookworm", packages: Sequence[str] = ("python3",)) -> Path:
    """Make a root with packages; without debootstrap or the right to isolate: skip the test."""
    _debootstrap(folder, release, packages)
    for name in ("var/cache/apt", "var/lib/apt", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(folder / name)  # as in slim images: it is copied often
    return folder


def make_unpacked(folder: Path, release: str, packages: Sequence[str]) -> Path:
    """Make a root whose packages are only unpacked, in half of the time.

    Nothing of what the packages do at their installation is there: no compiled Python code, no
    other names of commands.
    """
    _debootstrap(folder, release, packages, "--foreign")
    unpack = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --keep-directory-symlink -C "$1"'
    for package in sorted((folder / "var/cache/apt/archives").glob("*.deb")):
        subprocess.run(["sh", "-c", unpack, package, folder], check=True)
    for name in ("passwd", "group"):
        shutil.copy(folder / f"usr/share/base-passwd/{name}.master", folder / "etc" / name)
    for name in ("debootstrap", "var/cache/apt"):
        shutil.rmtree(folder / name)
    if (folder / "proc").is_symlink():  # to itself: debootstrap would install the rest in there
        (folder / "proc").unlink()
        (folder / "proc").mkdir()
    return folder


def _debootstrap(folder: Path, release: str, packages: Sequence[str], *options: str) -> None:
    tried = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "true"]
    if os.getuid() != 0 or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("this test needs root, and a kernel that lets it make namespaces")
    chosen = ["--variant=minbase", f"--include={','.join(packages)}", *options]
    done = subprocess.run(
        [needed("debootstrap"), *chosen, release, str(folder)],
        env=unmeasured(DPKG_FORCE="unsafe-io"),  # a test needs no fsync of each file
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@contextlib.contextmanager
def start(box: Box, log: Path) -> Iterator[Boxed]:
    """Start an instance in a box, and wait until its functions are loaded."""
    with spawned(box, log) as instance:
        wait_until_loaded(instance)
        yield instance


def wait_until_loaded(instance: Boxed) -> None:
    """Wait until all functions of an instance are loaded."""
    instance.port = int(instance.wait_for(r"^fcplug .* on port (\d+) ")[1])
    instance.wait_for("^(try: |no function)")


@contextlib.contextmanager
def spawned(box: Box, log: Path, stdin: int = subprocess.DEVNULL) -> Iterator[Boxed]:
    """Start a process in a box, and end it on the way out."""
    for place in box.mounts:
        (box.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    mounts = [part for place, source in box.mounts.items() for part in (str(source), place)]
    variables = [f"{name}={value}" for name, value in {"PATH": PATH, **box.environ}.items()]
    access = "rw" if box.writable else "ro"
    given = [
        str(box.root),
        access,
        str(box.user),
        box.folder,
        *mounts,
        "--",
        *variables,
        *box.command,
    ]
    isolated = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*isolated, "sh", "-c", _START, "sh", *given],
            env=unmeasured(), stdin=stdin, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    instance = Boxed(process, log)
    try:
        wait_until(lambda: _children(process.pid) or process.poll() is not None)
        assert process.poll() is None, instance.log
        (instance.inside,) = _children(process.pid)
        with _network_of(instance.inside), socket.socket() as sock:
            fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
        yield instance
    finally:
        # setpriv takes the signal of --kill-child away with the user: end the first process itself
        if process.poll() is None and instance.inside:
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance.inside, signal.SIGKILL)  # the kernel ends all others of the box
        process.kill()
        process.wait(PATIENCE)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in path.read_text().split()] if path.exists() else []


@contextlib.contextmanager
def _network_of(pid: int) -> Iterator[None]:
    """Let this thread be in the network of another process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as own, open(f"/proc/{pid}/ns/net") as other:
        assert libc.setns(other.fileno(), _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(own.fileno(), _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
