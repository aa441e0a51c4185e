"""The image of a generated Containerfile: buildah builds it, podman or a box starts it."""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from support import debian_root
from support.commands import unmeasured
from support.debian_root import Box, Boxed
from support.deployed import PATIENCE
from support.programs import needed

_NAME = "shop"
# crun refuses to start beside controllers of both versions of cgroups, and gives /dev/null to the
# user of the container
_PRIVATE = """\
umount /sys/fs/cgroup/unified 2>/dev/null
mount --bind "$0" /dev/null
exec "$@"
"""
_ISOLATED = (
    "--network=none", "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp",
    "--cgroups=disabled", "--log-driver=none",
    # a machine may not raise these, which podman does otherwise
    "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
)  # fmt: skip


class Store:
    """Where images and containers are: a folder, and nothing of this machine's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = [f"--root={folder}/storage", f"--runroot={folder}/run"]

    def privately(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs with mounts of its own."""
        null = self._folder / "null"
        if not null.exists():
            os.mknod(null, stat.S_IFCHR, os.makedev(1, 3))
            null.chmod(0o666)
        return ["unshare", "--mount", "sh", "-c", _PRIVATE, str(null), *command]

    def podman(self, *arguments: str) -> list[str]:
        """Return a command of podman."""
        own = [f"--tmpdir={self._folder}/podman", "--cgroup-manager=cgroupfs"]
        return [needed("podman"), *self._places, *own, *arguments]

    def build(self, root: Path, folder: Path) -> "Image":
        """Build the image of the Containerfile of a folder, with a root as its base."""
        (self._folder / "Containerfile").write_text("FROM scratch\nCOPY . /\n")
        step = ["bud", "--isolation=chroot", "--format=docker"]
        self.buildah(*step, "--tag=debian", "-f", str(self._folder / "Containerfile"), str(root))
        base = "--build-arg=BASE=localhost/debian"
        self.buildah(*step, base, f"--tag={_NAME}", str(folder))
        return Image(self)

    def buildah(self, *arguments: str) -> str:
        """Run buildah without a network, and return what it prints."""
        done = subprocess.run(
            ["unshare", "--net", needed("buildah"), *self._places, *arguments],
            cwd=self._folder, env=unmeasured(HOME=str(self._folder)), capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def remove(self) -> None:
        """Remove all containers and images."""
        self.buildah("rm", "--all")
        self.buildah("rmi", "--all", "--force")
        mounted = self._folder / "storage" / "overlay"
        subprocess.run(["umount", "--recursive", mounted], capture_output=True, check=False)
        shutil.rmtree(self._folder)


class Image:
    """A built image: what it says about starting it, and what starts it here.

    Attributes:
        config: its configuration.
        way: what starts its containers, and why no container runtime does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.config: Mapping[str, Any] = json.loads(
            store.buildah("inspect", "--type=image", _NAME)
        )["Docker"]["config"]
        self._refusal = self._refused()
        self.way = "podman"
        if self._refusal:
            self.way = f"unshare and chroot; podman cannot start one here: {self._refusal}"

    def _refused(self) -> str:
        """Return why podman starts no container here, empty if it does."""
        if shutil.which("podman") is None and "CI" not in os.environ:
            return "it is not installed"
        tried = self._store.podman("run", "--rm", *_ISOLATED, "--entrypoint=true", _NAME)
        done = subprocess.run(
            self._store.privately(tried), env=unmeasured(), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        return f"{done.returncode}, {done.stderr.strip()}" if done.returncode else ""

    @contextlib.contextmanager
    def running(self, log: Path, mounts: Mapping[str, Path], **environ: str) -> Iterator[Boxed]:
        """Start a container, and wait until its functions are loaded."""
        if self._refusal:
            with debian_root.start(self._box(mounts, environ), log) as boxed:
                yield boxed
            return
        name = f"fcplug-{token_hex(4)}"
        given = [f"--volume={source}:{place}:ro" for place, source in mounts.items()]
        given += [f"--env={variable}={value}" for variable, value in environ.items()]
        run = self._store.podman("run", "--rm", f"--name={name}", *_ISOLATED, *given, _NAME)
        with log.open("wb") as out:
            process = subprocess.Popen(
                self._store.privately(run), env=unmeasured(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        instance = Contained(process, log, self._store, name)
        try:
            debian_root.wait_until_loaded(instance)
            yield instance
        finally:
            instance.remove()

    def _box(self, mounts: Mapping[str, Path], environ: Mapping[str, str]) -> Box:
        """Return how a container runtime would start it."""
        user, _, group = self.config["User"].partition(":")
        assert user == group
        root = Path(self._store.buildah("mount", self._store.buildah("from", _NAME)))
        variables = {**dict(each.split("=", 1) for each in self.config["Env"]), **environ}
        command, folder = self.config["Entrypoint"], self.config["WorkingDir"]
        return Box(root, command, variables, int(user), folder, mounts)


class Contained(Boxed):
    """An instance that is the first process of a container."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", log: Path, store: Store, name: str
    ) -> None:
        super().__init__(process, log)
        self._store = store
        self._name = name

    @property
    def inside(self) -> int:  # type: ignore[override]
        """Its process id on this machine."""
        return int(self._podman("inspect", "--format={{.State.Pid}}", self._name).stdout)

    def stop(self, _number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as podman does: with the signal that the image names."""
        self._podman("stop", f"--time={PATIENCE:.0f}", self._name)
        return self.process.wait(PATIENCE)

    def run(self, *command: str, user: int = 10001) -> int:
        return self._podman("exec", f"--user={user}:{user}", self._name, *command).returncode

    def is_healthy(self, _check: Sequence[str]) -> bool:
        return self._podman("healthcheck", "run", self._name).returncode == 0

    def remove(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self._podman("rm", "--force", "--time=0", self._name)
        self.process.kill()
        self.process.wait(PATIENCE)

    def _podman(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run podman where the mounts of the container are."""
        return subprocess.run(
            ["nsenter", f"--target={self.process.pid}", "--mount", *self._store.podman(*arguments)],
            env=unmeasured(), capture_output=True, text=True, timeout=2 * PATIENCE, check=False,
        )  # fmt: skip
