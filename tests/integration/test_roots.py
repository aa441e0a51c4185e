"""The package and the container in a Debian 12 root, without a network."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support import commands, debian_root, fc_packages
from support.conformance import ROWS
from support.debian_root import Boxed
from support.fc_packages import SHOP
from support.images import Image, Store
from support.proving import OverSocket, prove

pytestmark = pytest.mark.slow
IMAGE = "custom.debian12"


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = debian_root.make(tmp_path_factory.mktemp("debian") / "12")
    yield root
    shutil.rmtree(root)  # pytest would keep it for three sessions


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fc_packages.shop(tmp_path_factory.mktemp("roots") / "shop", IMAGE)


@pytest.fixture(scope="session", params=[False, True], ids=["as another user", "as root"])
def package(debian: Path, shop: Path, request: pytest.FixtureRequest) -> Iterator[OverSocket]:
    with fc_packages.table(debian, shop, IMAGE, as_root=request.param) as target:
        yield target


@pytest.fixture(scope="session")
def built(debian: Path, shop: Path) -> Iterator[Image]:
    """Build the image of the generated Containerfile, on the Debian root."""
    made = commands.run("manifest", "container", "--image", IMAGE, "-o", ".", cwd=shop)
    assert made.returncode == 0, made.stderr
    folder = shop.parent / "images"
    folder.mkdir()
    store = Store(folder)
    try:
        yield store.build(debian, shop)
    finally:
        store.remove()


@pytest.fixture
def image(built: Image, record_property: Callable[[str, object], None]) -> Image:
    record_property("containers are started by", built.way)
    return built


@contextlib.contextmanager
def running(image: Image, folder: Path, config: str = "") -> Iterator[Boxed]:
    """Run the image, with another configuration mounted as Kubernetes does."""
    mounts, environ = {}, {}
    if config:
        (folder / "config").mkdir()
        (folder / "config" / "functions.yaml").write_text(config)
        mounts = {"/etc/fcplug": folder / "config"}
        environ = {"FCPLUG_CONFIG": "/etc/fcplug/functions.yaml"}
    with image.running(folder / "log", mounts, **environ) as instance:
        yield instance


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_the_package_conforms_in_the_root_of_its_image(row: Any, package: OverSocket) -> None:
    prove(row, package)


def test_function_compute_starts_the_package_as_root_on_a_disk_of_its_own(
    debian: Path, shop: Path
) -> None:
    code = fc_packages.unpacked(shop, "own-disk")
    with fc_packages.start(debian, code, IMAGE, as_root=True) as instance:
        about = json.loads(instance.invoke("about").body)
    assert (about["user"], about["home"]) == (0, "/root")
    assert {"/", "/code", "/tmp", "/usr"} <= set(about["places"])


def test_the_image_answers_as_a_user_who_can_write_only_to_tmp(
    image: Image, tmp_path: Path
) -> None:
    with running(image, tmp_path) as instance:
        assert json.loads(instance.invoke("hello", b"Ada").body) == {"message": "Hello, Ada!"}
        assert json.loads(instance.invoke("about").body) == {
            "places": ["/tmp"], "user": 10001, "pid": 1, "home": "/tmp", "python": "/usr 3.11",
            "libc": "glibc 2.36",
        }  # fmt: skip


def test_the_health_check_of_the_image_tells_health(image: Image, tmp_path: Path) -> None:
    kind, *check = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    with running(image, tmp_path) as instance:
        assert instance.is_healthy(check)
        assert instance.run(*check) == 0
        dead = [word.replace("9000", "9001") for word in check]
        assert instance.run(*dead) != 0


def test_the_image_finishes_its_calls_on_its_stop_signal(image: Image, tmp_path: Path) -> None:
    assert image.config["StopSignal"] in ("SIGTERM", "15")
    with running(image, tmp_path) as instance, ThreadPoolExecutor() as pool:
        inside = Path(f"/proc/{instance.inside}/root")
        answer = pool.submit(instance.invoke, "slow")
        instance.wait_for("FC Invoke Start")
        ended = pool.submit(instance.stop)
        instance.wait_for("stopping: ")
        (inside / "tmp/go").touch()
        assert answer.result().body == b"done"
        assert ended.result() == 0


def test_a_call_that_does_not_end_is_abandoned_after_drain_timeout(
    image: Image, tmp_path: Path
) -> None:
    config = SHOP.replace("functions:", "runtime: {drain_timeout: 1}\nfunctions:")
    with running(image, tmp_path, config) as instance, ThreadPoolExecutor() as pool:
        answer = pool.submit(instance.invoke, "slow")
        instance.wait_for("FC Invoke Start")
        assert instance.stop() == 1
        assert "abandoned" in instance.log
        assert isinstance(answer.exception(), AssertionError)
