"""What ``fcplug new`` makes, where only the wheel of fcplug, its tools and pytest are installed."""

from pathlib import Path

import pytest

from captured import tutorial
from captured.walk import Walk, normalised
from support.deployed import Answer, start
from support.environments import Environment
from support.packages import PYTHON, target_options, unpack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


def test_the_tutorial_shows_what_its_commands_print(
    environment: Environment, tmp_path: Path
) -> None:
    """It comes first: the page lists all plugins of the environment."""
    consoles: list[str] = []
    page = tutorial.PAGE.read_text()
    walked = Walk(tmp_path, environment.variables, consoles.append).done(page)
    shown, printed = (normalised(each).splitlines() for each in (page, walked))
    assert printed == shown, "run make captures, and read what changed"
    assert len(consoles) == 1


@pytest.mark.parametrize("kind", ["", "--middleware", "--wsgi", "--asgi"])
def test_the_tests_of_a_new_plugin_pass_once_it_is_installed(
    environment: Environment, tmp_path: Path, kind: str
) -> None:
    name = f"my-{kind.strip('-') or 'handler'}"
    environment.run(f"fcplug new plugin {name} {kind}", tmp_path)
    folder = tmp_path / f"fcplug-{name}"
    environment.run("pip install --no-build-isolation --no-deps .", folder)
    assert " passed" in environment.run("pytest", folder)


def test_a_new_project_is_tested_checked_called_and_deployed(
    environment: Environment, tmp_path: Path
) -> None:
    environment.run("fcplug new project shop", tmp_path)
    folder = tmp_path / "shop"
    assert " passed" in environment.run("make test", folder)
    environment.run("make schema && make check && fcplug check --strict", folder)
    greeting = '{\n    "message": "Hello, Ada!"\n}'
    assert environment.run("fcplug invoke hello --event Ada 2>invoke.log", folder) == greeting

    requirements = (folder / "requirements.txt").read_text()
    assert requirements.endswith("\nfcplug\n")
    (folder / "requirements.txt").write_text(f"fcplug @ file://{environment.wheel}\n")
    environment.run(f"make package BUILD='{' '.join(target_options())}'", folder)
    assert "# local: fcplug==" in (folder / "code.lock.txt").read_text()
    assert _served_from(folder / "code.zip", tmp_path / "code").body.decode() == greeting


def _served_from(package: Path, code: Path) -> Answer:
    """Unpack a code package as Function Compute does, and call its function."""
    with start(unpack(package, code), environ={"FCPLUG_PYTHON": PYTHON}) as instance:
        return instance.invoke("hello", b"Ada")
