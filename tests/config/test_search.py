"""Where the configuration is searched, and the report if there is none."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug.config import loader, search
from fcplug.errors import ConfigError

HELLO = "version: 1\nfunctions: {hello: {handler: hello}}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(folder: Path, name: str = search.FILE) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HELLO)
    return file


def test_the_named_file_comes_first_then_the_working_directory_then_the_code(here: Path) -> None:
    code, fc = here.parent / "code", here.parent / "fc"
    environ = {"FCPLUG_CONFIG": str(put(here.parent, "named.yaml")), "FC_FUNC_CODE_PATH": str(fc)}
    for folder in (here, code, fc):
        put(folder)
    given = str(put(here.parent, "given.yaml"))
    assert search.find(given, environ, str(code)) == given
    assert search.find(None, environ, str(code)) == environ.pop("FCPLUG_CONFIG")
    assert search.find(None, environ, str(code)) == search.FILE
    shutil.rmtree(here / "config")
    assert search.find(None, environ, str(code)) == f"{fc}/config/functions.yaml"
    shutil.rmtree(fc)
    assert search.find(None, environ, str(code)) == f"{code}/config/functions.yaml"


def test_without_a_file_the_report_lists_the_search_and_shows_an_example(here: Path) -> None:
    code = f"{here.parent}/code"
    with pytest.raises(ConfigError) as error:
        search.find(None, {"FC_FUNC_CODE_PATH": f"{code}/"}, code)
    first, looked, fix, begin, *example = str(error.value).splitlines()
    assert first == "config/functions.yaml: there is no configuration"
    assert looked == (f"  looked for: {here}/config/functions.yaml, {code}/config/functions.yaml")
    assert fix == (
        "  fix: write config/functions.yaml, or name another one with --config FILE "
        "or FCPLUG_CONFIG;"
    )
    assert begin == "       'fcplug new project NAME' makes a project that has one"
    assert example[0] == "  an example, for a function handler(event, context) in index.py:"
    text = "\n".join(example[2:])
    assert len(text.splitlines()) == 4
    assert loader.parse(text, "f.yaml", {}).functions["hello"].handler == "index:handler"


@pytest.mark.parametrize("name", ["functions.yaml", "functions.yml", "config/functions.yml"])
def test_a_file_in_the_working_directory_is_suggested(here: Path, name: str) -> None:
    put(here, name)
    with pytest.raises(ConfigError) as error:
        search.find(None, {}, str(here.parent / "code"))
    assert str(error.value).endswith(f"  fix: {name} is there: fcplug serve --config {name}")


def test_a_file_near_the_named_one_is_suggested(here: Path) -> None:
    file = put(here.parent / "a shop", "functions.yaml")
    with pytest.raises(ConfigError) as error:
        search.find(None, {"FCPLUG_CONFIG": str(file.parent / search.FILE)})
    assert str(error.value).splitlines() == [
        f"{file.parent}/config/functions.yaml: there is no such file, but FCPLUG_CONFIG names it",
        f"  fix: {file} is there: fcplug serve --config '{file}'",
    ]


def unreadable(given: str) -> str:
    with pytest.raises(ConfigError) as error:
        loader.read(search.find(given, {}))
    return str(error.value)


@pytest.mark.parametrize("name", ["functions.yaml", "config/functions.yaml"])
def test_the_file_in_a_named_folder_is_suggested(here: Path, name: str) -> None:
    put(here / "app", name)
    assert unreadable("app").splitlines() == [
        "app: this is a folder: name the file in it",
        f"  fix: app/{name} is there: fcplug serve --config app/{name}",
    ]


def close_the_file(folder: Path) -> None:
    (folder / "functions.yaml").chmod(0o200)


def close_the_folder(folder: Path) -> None:
    folder.chmod(0o600)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("close", [close_the_file, close_the_folder])
def test_an_unreadable_file_is_reported_with_its_owner(
    here: Path, close: Callable[[Path], None]
) -> None:
    file = put(here.parent / "closed", "functions.yaml")
    temporary = Path(tempfile.gettempdir())
    for folder in itertools.takewhile(lambda folder: folder != temporary, here.parents):
        folder.chmod(0o755)
    close(file.parent)
    os.seteuid(65534)
    try:
        what, fix = unreadable(str(file)).splitlines()
    finally:
        os.seteuid(0)
    assert what.startswith(f"{file}: user 65534 may not read it")
    assert ("it belongs to user 0, with mode 0200" in what) == (close is close_the_file)
    assert fix.startswith(f"  fix: chmod a+r {file}, and a+x the folders above it")
