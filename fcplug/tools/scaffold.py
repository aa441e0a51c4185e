"""Projects and plugin packages from templates: rendered in memory, then written at once."""

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path, PurePosixPath

import jinja2

from fcplug import assets
from fcplug.errors import FcplugError
from fcplug.tools.exit_code import WrongUsage

_SUFFIX = ".jinja"
_HIDDEN = "dot."  # a file that begins with a dot would be left out of some archives
_PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NO_TEXT = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])  # in YAML
_PREFIX = "fcplug-"
_BOOTSTRAP = PurePosixPath("bootstrap")
_SCHEMA = PurePosixPath("config/functions.schema.json")

Files = Mapping[PurePosixPath, bytes]
"""What a template makes: relative paths, and what the files hold."""


class ScaffoldError(FcplugError):
    """A project or package cannot be made here under this name."""


class InvalidName(WrongUsage):
    """A name cannot be that of a project or package."""


def project(name: str) -> Files:
    """Return the files of a new project.

    Raises:
        InvalidName: it cannot be the name of a project.
    """
    if not _PROJECT_NAME.fullmatch(name):
        suggestion = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._") or "my-functions"
        raise InvalidName(
            f"{name!r} cannot be the name of a project\n"
            f"  fix: use letters, digits, '.', '_' and '-', as in '{suggestion}'"
        )
    return {
        **render("project", {"name": name}),
        _BOOTSTRAP: assets.BOOTSTRAP.read(),
        _SCHEMA: assets.SCHEMA.read(),
    }


def plugin_values(name: str) -> dict[str, str]:
    """Return what the templates of plugins are filled with.

    Args:
        name: as users write it in ``functions.yaml``; a leading ``fcplug-`` is left out.

    Raises:
        InvalidName: it cannot be the name of a package, or YAML would not read it as a text.
    """
    short = name.removeprefix(_PREFIX)
    if not _PLUGIN_NAME.fullmatch(short) or short in _NO_TEXT:
        plain = re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-").lstrip("-0123456789")
        suggestion = plain if plain and plain not in _NO_TEXT else f"my-{plain or 'plugin'}"
        rule = "use lower-case letters, digits and hyphens"
        if short in _NO_TEXT:
            rule = "YAML does not read it as text: choose another"
        raise InvalidName(
            f"{name!r} cannot be the name of a plugin\n  fix: {rule}, as in '{suggestion}'"
        )
    words = short.split("-")
    return {
        "name": short,
        "distribution": f"{_PREFIX}{short}",
        "module": f"fcplug_{'_'.join(words)}",
        "class": f"{''.join(word.capitalize() for word in words)}Middleware",
    }


def render(template: str, values: Mapping[str, str]) -> Files:
    """Return the files of a template.

    Args:
        template: ``project``, or a kind of plugin: ``handler``, ``middleware``, ``wsgi``,
            ``asgi``.
        values: fill its variables; one that is missing is an error of ours.
    """
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML
    )

    def filled(text: str) -> str:
        return environment.from_string(text).render(values)

    root = files("fcplug.tools") / "templates" / template
    return {
        PurePosixPath(filled(str(path))): filled(file.read_text("utf-8")).encode()
        for path, file in _templates(root, PurePosixPath())
    }


def write(folder: Path, contents: Files) -> None:
    """Write a new folder: all of its files, or none. A ``bootstrap`` gets the run bit.

    Args:
        folder: must not exist, or be empty.
        contents: the files.

    Raises:
        ScaffoldError: the folder holds something, or cannot be written.
    """
    # named before it is made: an interrupt at any moment removes it
    beside = folder.parent / f".fcplug-new-{secrets.token_hex(4)}"
    try:
        _check_free(folder)
        _fill(beside, contents)
        beside.rename(folder)
    except OSError as error:
        raise ScaffoldError(f"'{folder}' cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScaffoldError(
            f"'{folder}' exists already, and nothing is overwritten\n"
            "  fix: choose another name, or remove it first"
        )


def _fill(folder: Path, contents: Files) -> None:
    folder.mkdir(parents=True)
    for path, data in contents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        if path == _BOOTSTRAP:
            file.chmod(file.stat().st_mode | 0o111)


def _templates(
    folder: Traversable, path: PurePosixPath
) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in folder.iterdir():
        name = entry.name.removesuffix(_SUFFIX)
        if name.startswith(_HIDDEN):
            name = name.removeprefix("dot")
        if entry.is_dir():
            yield from _templates(entry, path / name)
        elif entry.name.endswith(_SUFFIX):
            yield path / name, entry
