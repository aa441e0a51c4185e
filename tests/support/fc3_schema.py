"""What the component fc3 of Serverless Devs takes, as a JSON Schema of our own."""

from collections.abc import Mapping
from typing import Any

import jsonschema


def _number(least: int, most: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT}
_HOOK = _object(["handler"], handler=_TEXT, timeout=_number(1, 300))
_HEALTH_CHECK = _object(
    ["httpGetUrl"],
    httpGetUrl={"type": "string", "pattern": "^/", "maxLength": 2048},
    initialDelaySeconds=_number(0, 120),
    periodSeconds=_number(1, 120),
    timeoutSeconds=_number(1, 3),
    failureThreshold=_number(1, 120),
    successThreshold=_number(1, 120),
)
_TIMER = _object(
    ["cronExpression", "enable"],
    cronExpression=_TEXT,
    enable={"type": "boolean"},
    payload={"type": "string"},
)
_KEY = _object(["prefix", "suffix"], prefix={"type": "string"}, suffix={"type": "string"})
_OSS = _object(["events", "filter"], events=_TEXTS, filter=_object(["key"], key=_KEY))
_HTTP = _object(
    ["authType", "methods"],
    authType={"enum": ["anonymous", "function"]},
    methods={
        "type": "array",
        "items": {"enum": ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]},
    },
)


def _trigger(kind: str, config: dict[str, Any], *required: str) -> dict[str, Any]:
    return _object(
        ["triggerName", "triggerType", "triggerConfig", *required],
        triggerName=_TEXT,
        triggerType={"const": kind},
        triggerConfig=config,
        sourceArn={"type": "string", "pattern": "^acs:"},
        invocationRole={"type": "string", "pattern": "^acs:ram::"},
    )


_PROPS = _object(
    ["region", "functionName", "runtime", "code"],
    region=_TEXT,
    functionName={"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$"},
    description={"type": "string"},
    runtime={"type": "string", "pattern": r"^custom\.debian1[012]$"},
    handler=_TEXT,
    code=_TEXT,
    cpu={"type": "number", "minimum": 0.05, "maximum": 16},
    memorySize=_number(128, 32768, multipleOf=64),
    diskSize={"enum": [512, 10240]},
    timeout=_number(1, 86400),
    instanceConcurrency=_number(1, 200),
    customRuntimeConfig=_object(
        [], port=_number(1, 65535), command=_TEXTS, args=_TEXTS, healthCheckConfig=_HEALTH_CHECK
    ),
    instanceLifecycleConfig=_object([], initializer=_HOOK, preStop=_HOOK),
    environmentVariables={
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$", "not": {"pattern": "^FC_"}},
        "additionalProperties": {"type": "string"},
    },
    logConfig={"const": "auto"},
    triggers={
        "type": "array",
        "items": {
            "oneOf": [
                _trigger("timer", _TIMER),
                _trigger("oss", _OSS, "sourceArn"),
                _trigger("http", _HTTP),
            ]
        },
    },
)
SCHEMA = _object(
    ["edition", "name", "access", "resources"],
    edition={"const": "3.0.0"},
    name=_TEXT,
    access=_TEXT,
    vars={"type": "object"},
    resources={
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _object(["component", "props"], component=_TEXT, props=_PROPS),
    },
)


def check(document: Mapping[str, Any]) -> None:
    """Check a file that fcplug has made; a key that nobody has thought of is an error, too."""
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
