"""``s.overlay.yaml``: what people write themselves, merged over what is made."""

from collections.abc import Mapping
from typing import Any

from fcplug.config import yaml_strict
from fcplug.config.document import Document
from fcplug.config.location import Path, dotted
from fcplug.config.yaml_mistakes import UnreadableYamlError
from fcplug.errors import ConfigError, Problem
from fcplug.manifests import triggers
from fcplug.manifests.serverless import Part

NAME = "s.overlay.yaml"
EVERY = "*"
"""The name of a resource that stands for every function."""

_NOTHING: Mapping[Path, str] = {}


def parse(text: str, file: str) -> Document:
    """Return the values of an overlay, with their places; ``${...}`` stays as it is.

    Raises:
        ConfigError: it is not YAML, or not a mapping with resources that are mappings.
    """
    try:
        values, locations, findings = yaml_strict.read(text, lambda value: (value, []))
    except UnreadableYamlError as error:
        path, location, what = error.finding
        raise ConfigError([Problem(file, *location, dotted(path), what)]) from None
    found = Document(file, {} if values is None else values, locations)
    problems = [Problem(file, *place, dotted(path), what) for path, place, what in findings]
    if not problems and not isinstance(found.values, dict):
        problems.append(found.problem((), "the file must be a mapping, as s.yaml is"))
    elif not problems:
        resources = found.values.get("resources")
        each = resources.items() if isinstance(resources, dict) else ()
        if "resources" in found.values and not isinstance(resources, dict):
            problems.append(found.problem(("resources",), "must be a mapping of functions"))
        problems += [
            found.problem(("resources", name), "must be a mapping, or null for none")
            for name, value in each
            if value is not None and not isinstance(value, dict)
        ]
    if problems:
        raise ConfigError(problems)
    return found


def merge(part: Part, overlay: Document) -> Part:
    """Return a document with an overlay merged over it.

    Mappings are merged key by key, triggers by their names; ``null`` removes a key, and everything
    else, other lists included, is replaced. The resource ``*`` is merged over every function first.
    What the overlay sets is marked with its name in place of its own comment.
    """
    values = dict(overlay.values)
    made: Any = part.values
    marked = Part(made, dict(part.above), dict(part.beside))
    resources = dict(values.pop("resources", {}))
    every = resources.pop(EVERY, {})
    merged = _merged(made, values, (), marked, overlay.file)
    functions = merged["resources"]
    if every:
        functions = {
            name: _merged(each, every, ("resources", name), marked, overlay.file)
            for name, each in functions.items()
        }
    functions = _merged(functions, resources, ("resources",), marked, overlay.file)
    return marked._replace(values={**merged, "resources": functions})


def _merged(
    made: Mapping[str, Any], over: Mapping[str, Any], path: Path, marked: Part, file: str
) -> dict[str, Any]:
    result = dict(made)
    for key, value in over.items():
        inner = (*path, key)
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(below, dict):
            result[key] = _merged(below, value, inner, marked, file)
        else:
            result[key] = triggers.merged(below, value) if key == "triggers" else value
            if key == "triggers" and not triggers.are_signed(result[key]):
                marked.above.pop(inner, None)  # it says that callers sign
            marked.beside[inner] = f"from {file}"
    return result


def place(overlay: Document | None, path: Path) -> tuple[Document, Path] | None:
    """Return where an overlay sets a value, None if it does not."""
    if overlay is None:
        return None
    candidates = [path]
    if len(path) > 2 and path[0] == "resources":
        candidates.append(("resources", EVERY, *path[2:]))
    for each in candidates:
        if each in overlay.locations:
            return overlay, each
    return None
