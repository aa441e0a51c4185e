"""The package and the container in a Debian root: no network, not root, a read-only file system."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support import commands, debian_root
from support.conformance import CONFIG, ENVIRONMENT, ROWS
from support.debian_root import Box, Boxed
from support.packages import build, project, unpack
from support.programs import needed
from support.proving import FILES, OverSocket, prove

pytestmark = pytest.mark.slow
SHOP = """\
version: 1
functions:
  hello: {handler: hello}
  writable: {handler: places:writable}
  slow: {handler: places:slow}
"""
PLACES = """\
import os
import time

def writable(event, context):
    places = []
    for folder, folders, _ in os.walk("/"):
        folders[:] = [name for name in folders if (folder, name) != ("/", "proc")]
        places += [folder] if os.access(folder, os.W_OK) else []
    return {"places": places, "user": os.getuid(), "pid": os.getpid(), "home": os.environ["HOME"]}

def slow(event, context):
    while not os.path.exists("/tmp/go"):
        time.sleep(0.01)
    return b"done"
"""


class Image(NamedTuple):
    """A built image: its files, and what it says about starting it."""

    root: Path
    config: Mapping[str, Any]

    def box(self, mounts: Mapping[str, Path] | None = None, **environ: str) -> Box:
        """Return how a container runtime starts it, with ``--read-only --tmpfs /tmp``."""
        user, _, group = self.config["User"].partition(":")
        assert user == group
        given = dict(entry.split("=", 1) for entry in self.config["Env"])
        return Box(
            self.root,
            self.config["Entrypoint"],
            {**given, **environ},
            int(user),
            self.config["WorkingDir"],
            mounts or {},
        )


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = debian_root.make(tmp_path_factory.mktemp("debian") / "12")
    yield root
    shutil.rmtree(root)  # pytest would keep it for three sessions


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package of a project for Debian 12."""
    folder = project(tmp_path_factory.mktemp("roots") / "shop", SHOP, {"places.py": PLACES})
    done = build(folder, "--image", "custom.debian12")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def image(debian: Path, shop: Path) -> Iterator[Image]:
    """Build the image of the generated Containerfile, on the Debian root."""
    storage = shop.parent / "storage"
    buildah = [needed("buildah"), f"--root={storage}", f"--runroot={storage}-run"]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["unshare", "--net", *buildah, *arguments], cwd=shop, capture_output=True, text=True,
            timeout=300, check=False, env=commands.unmeasured(HOME=str(shop.parent)),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    base = shop.parent / "base"
    base.mkdir()
    (base / "Containerfile").write_text("FROM scratch\nCOPY . /\n")
    step = ["bud", "--isolation=chroot", "--format=docker"]
    run(*step, "--tag=debian", "-f", str(base / "Containerfile"), str(debian))
    made = commands.run("manifest", "container", "--image", "custom.debian12", "-o", ".", cwd=shop)
    assert made.returncode == 0, made.stderr
    run(*step, "--build-arg=BASE=localhost/debian", "--tag=shop", ".")
    container = run("from", "shop")
    root = Path(run("mount", container))
    try:
        yield Image(root, json.loads(run("inspect", container))["Docker"]["config"])
    finally:
        run("rm", "--all")
        run("rmi", "--all", "--force")


@pytest.fixture(scope="session")
def package(debian: Path, shop: Path) -> Iterator[OverSocket]:
    """Start the unpacked package as Function Compute does, with the table's functions in it."""
    code = unpack(shop / "code.zip", shop.parent / "code")
    for name, text in {"config/functions.yaml": CONFIG, **FILES}.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(text)
    subprocess.run(["chmod", "-R", "a+rX", code], check=True)  # whatever the umask is
    environ = {
        **ENVIRONMENT,
        "FC_FUNC_CODE_PATH": "/code",
        "FC_CUSTOM_LISTEN_PORT": "9000",
        "FC_RUNTIME": "custom.debian12",
        "FC_TIMEOUT": "60",
    }
    box = Box(debian, ["/code/bootstrap"], environ, mounts={"/code": code})
    with debian_root.start(box, shop.parent / "package.log") as instance:
        yield OverSocket(Path("/code"), instance)


@contextlib.contextmanager
def running(image: Image, log: Path, config: str = "") -> Iterator[Boxed]:
    """Run the image, with another configuration mounted as Kubernetes does."""
    mounts, environ = {}, {}
    if config:
        folder = log.parent / "config"
        folder.mkdir()
        (folder / "functions.yaml").write_text(config)
        mounts = {"/etc/fcplug": folder}
        environ = {"FCPLUG_CONFIG": "/etc/fcplug/functions.yaml"}
    with debian_root.start(image.box(mounts, **environ), log) as instance:
        yield instance


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_the_package_conforms_in_the_root_of_its_image(row: Any, package: OverSocket) -> None:
    prove(row, package)


def test_the_image_answers_as_a_user_who_can_write_only_to_tmp(
    image: Image, tmp_path: Path
) -> None:
    with running(image, tmp_path / "log") as instance:
        assert json.loads(instance.invoke("hello", b"Ada").body) == {"message": "Hello, Ada!"}
        assert json.loads(instance.invoke("writable").body) == {
            "places": ["/tmp"], "user": 10001, "pid": 1, "home": "/tmp",
        }  # fmt: skip


def test_the_health_check_of_the_image_tells_health(image: Image, tmp_path: Path) -> None:
    kind, *check = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    with running(image, tmp_path / "log") as instance:
        assert instance.run(*check) == 0
        dead = [word.replace("9000", "9001") for word in check]
        assert instance.run(*dead) != 0


def test_the_image_finishes_its_calls_on_its_stop_signal(image: Image, tmp_path: Path) -> None:
    assert image.config["StopSignal"] in ("SIGTERM", "15")
    with running(image, tmp_path / "log") as instance, ThreadPoolExecutor() as pool:
        answer = pool.submit(instance.invoke, "slow")
        instance.wait_for("FC Invoke Start")
        ended = pool.submit(instance.stop)
        instance.wait_for("stopping: ")
        Path(f"/proc/{instance.inside}/root/tmp/go").touch()
        assert answer.result().body == b"done"
        assert ended.result() == 0


def test_a_call_that_does_not_end_is_abandoned_after_drain_timeout(
    image: Image, tmp_path: Path
) -> None:
    config = SHOP.replace("functions:", "runtime: {drain_timeout: 1}\nfunctions:")
    with running(image, tmp_path / "log", config) as instance, ThreadPoolExecutor() as pool:
        answer = pool.submit(instance.invoke, "slow")
        instance.wait_for("FC Invoke Start")
        assert instance.stop() == 1
        assert "abandoned" in instance.log
        assert isinstance(answer.exception(), AssertionError)
