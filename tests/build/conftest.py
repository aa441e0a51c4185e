"""One package that the tests share: building it takes seconds."""

import pytest

from support.packages import Shared, build, full_project, target_options, unpack


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = full_project(tmp_path_factory.mktemp("built") / "shop")
    done = build(folder, *target_options(), "--include", "texts")
    assert done.returncode == 0, done.stderr
    return Shared(folder, done.stdout, unpack(folder / "code.zip", folder.parent / "code"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Build the package of one function."""
    folder = full_project(tmp_path_factory.mktemp("small") / "shop")
    done = build(folder, *target_options(), "--function", "hello")
    assert done.returncode == 0, done.stderr
    code = unpack(folder / "code-hello.zip", folder.parent / "code")
    return Shared(folder, done.stdout, code)
