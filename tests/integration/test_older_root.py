"""The package at ``/code`` in a Debian 11 root with Function Compute's environment."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import debian_root, fc_packages, fc_python
from support.conformance import ROWS
from support.proving import OverSocket, prove

pytestmark = pytest.mark.slow
IMAGE = "custom.debian11"


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the root: python3 is 3.9, and 3.12 is where Function Compute has it."""
    folder = tmp_path_factory.mktemp("debian")
    root = debian_root.make_unpacked(folder / "11", "bullseye", fc_python.PACKAGES)
    fc_python.install(root, folder)
    yield root
    shutil.rmtree(root)  # pytest would keep it for three sessions


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fc_packages.shop(tmp_path_factory.mktemp("older") / "shop", IMAGE)


@pytest.fixture(scope="session", params=[False, True], ids=["as another user", "as root"])
def package(debian: Path, shop: Path, request: pytest.FixtureRequest) -> Iterator[OverSocket]:
    with fc_packages.table(debian, shop, IMAGE, as_root=request.param) as target:
        yield target


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_the_package_conforms_in_the_root_of_its_image(row: Any, package: OverSocket) -> None:
    prove(row, package)


def test_the_package_starts_the_newer_python_of_the_image_on_its_older_glibc(
    debian: Path, shop: Path
) -> None:
    code = fc_packages.unpacked(shop, "own-disk")
    with fc_packages.start(debian, code, IMAGE, as_root=True) as instance:
        about = json.loads(instance.invoke("about").body)
    assert about["python"] == "/var/fc/lang/python3.12 3.12"
    assert about["libc"] == "glibc 2.31"
    assert (about["user"], about["home"]) == (0, "/root")
    assert {"/", "/code", "/tmp", "/usr"} <= set(about["places"])
