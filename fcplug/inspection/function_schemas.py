"""The schemas of all functions of a configuration, as one OpenAPI document."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fcplug.config import loader
from fcplug.config.model import FunctionSpec
from fcplug.inspection.process import reports

_LIMIT = 60.0  # seconds that the plugins of one function may take to be loaded
_AS_THEY_ARE = ("const", "enum", "default", "examples", "example")  # no schemas are in these
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_JSON = "application/json"
_BYTES = "application/octet-stream"


class Unknown(NamedTuple):
    """A function that the document lacks, or whose schemas it lacks, and why."""

    name: str
    why: str


def function_schemas(file: str, environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Unknown]]:
    """Return the document, and the functions of which too little is known.

    A function with an HTTP operation is there by its method and path, each other function by
    InvokeFunction of FC's API, which ``fcplug dev`` serves, too. The plugins are loaded in a
    process of their own, and none of their hooks is run.

    Raises:
        ConfigError: the configuration is wrong.
    """
    text = loader.read(file)
    config = loader.parse(text, file, environ)
    unknown = [
        Unknown(name, "its application answers, and describes itself")
        for name, spec in config.functions.items()
        if spec.handler is None
    ]
    names = [name for name, spec in config.functions.items() if spec.handler is not None]
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for report in reports("schemas", names, {"text": text, "file": file}, limit=_LIMIT):
        said = report.answer.get("described")
        if said is None:
            why = report.failure or report.answer.get("error", "")
            unknown.append(Unknown(report.item, why.partition("\n")[0]))
            said = {}
        method, path = _operation_of(config.functions[report.item], said)
        if method in paths.setdefault(path, {}):
            other = paths[path][method]["operationId"]
            unknown.append(Unknown(report.item, f"{method.upper()} {path} is that of '{other}'"))
        else:
            paths[path][method] = _operation(report.item, said, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {"title": f"The functions of {file}", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return document, unknown


def _operation_of(spec: FunctionSpec, said: Mapping[str, Any]) -> tuple[str, str]:
    if http := said.get("http"):
        method, _, path = http.partition(" ")
        return method.lower(), path
    return "post", f"/2023-03-30/functions/{spec.name}/invocations"


def _operation(name: str, said: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the operation of a function; its schemas are added to those of the document."""
    operation: dict[str, Any] = {"operationId": name, "tags": [name]}
    events, is_http = said.get("event", []), bool(said.get("http"))
    if events or not is_http:
        body = _content(f"{name}.event", events, schemas)
        operation["requestBody"] = {"required": bool(events), "content": body}
    answer = _content(f"{name}.result", said.get("result", []), schemas)
    operation["responses"] = {"200": {"description": "the result", "content": answer}}
    if events and is_http:
        operation["responses"]["400"] = {"description": "the body does not fit its schema"}
    return operation


def _content(name: str, given: list[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the content that fits all schemas."""
    if not given:
        return {_BYTES: {}}
    names = [name] if len(given) == 1 else [f"{name}.{n}" for n in range(1, len(given) + 1)]
    places = [f"#/components/schemas/{each}" for each in names]
    for each, schema, place in zip(names, given, places, strict=True):
        schemas[each] = _moved(schema, place)
    references = [{"$ref": place} for place in places]
    return {_JSON: {"schema": {"allOf": references} if len(given) > 1 else references[0]}}


def _moved(schema: Any, place: str) -> Any:
    """Return a schema whose references into itself are right at its place in the document."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$id":
            continue  # references would start from it
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[key] = place + value[1:]
        elif key in _BY_NAME and isinstance(value, dict):
            moved[key] = {name: _moved(item, place) for name, item in value.items()}
        else:
            moved[key] = value if key in _AS_THEY_ARE else _moved(value, place)
    return moved
