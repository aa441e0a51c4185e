"""What Knative Serving takes as a Service, as a JSON Schema of our own: unknown keys are errors."""

from collections.abc import Mapping
from typing import Any

import jsonschema


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_NAME = {"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"}
_METADATA = _object(["name"], name=_NAME, namespace=_NAME, labels=_TEXTS, annotations=_TEXTS)
_COUNT = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}
_AUTOSCALING = {
    "min-scale": _COUNT,
    "max-scale": _COUNT,
    "target": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
    "target-utilization-percentage": {"const": "100"},
    "scale-down-delay": {
        "type": "string",
        "pattern": "^([0-9]|[1-9][0-9]{1,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s$",
    },
}
_ANNOTATIONS = {
    "type": "object",
    "properties": {f"autoscaling.knative.dev/{key}": rule for key, rule in _AUTOSCALING.items()},
    "patternProperties": {"^checksum/": _TEXT},
    "additionalProperties": False,
}
_PROBE = {
    **_object(
        [],
        httpGet=_object(["path"], path={"type": "string", "pattern": "^/"}),
        tcpSocket=_object([]),
        periodSeconds=_whole(1, 600),
        timeoutSeconds=_whole(1, 600),
        failureThreshold=_whole(1, 100),
    ),
    "oneOf": [{"required": ["httpGet"]}, {"required": ["tcpSocket"]}],
}
_SECRET = _object(["secretKeyRef"], secretKeyRef=_object(["name", "key"], name=_NAME, key=_TEXT))
_ENV = {
    **_object(["name"], name=_TEXT, value={"type": "string"}, valueFrom=_SECRET),
    "oneOf": [{"required": ["value"]}, {"required": ["valueFrom"]}],
}
# not: lifecycle, startupProbe (older releases), hostPort, stdin, tty
_CONTAINER = _object(
    ["image"],
    name=_NAME,
    image=_TEXT,
    ports={
        "type": "array",
        "maxItems": 1,
        "items": _object(
            ["containerPort"], name={"enum": ["http1", "h2c"]}, containerPort=_whole(1, 65535)
        ),
    },
    env={"type": "array", "items": _ENV},
    readinessProbe=_PROBE,
    livenessProbe=_PROBE,
    resources=_object([], requests=_TEXTS, limits=_TEXTS),
    securityContext=_object(
        [],
        runAsNonRoot={"type": "boolean"},
        runAsUser=_whole(0, 2**31),
        runAsGroup=_whole(0, 2**31),
        allowPrivilegeEscalation={"type": "boolean"},
        readOnlyRootFilesystem={"type": "boolean"},
        capabilities=_object([], drop={"type": "array", "items": _TEXT}),
        seccompProfile=_object(["type"], type={"const": "RuntimeDefault"}),
    ),
    volumeMounts={
        "type": "array",
        "items": _object(
            ["name", "mountPath"], name=_NAME, mountPath=_TEXT, readOnly={"type": "boolean"}
        ),
    },
)
_VOLUME = _object(
    ["name"],
    name=_NAME,
    configMap=_object(["name"], name=_NAME),
    emptyDir=_object([], sizeLimit=_TEXT),
)
# not: terminationGracePeriodSeconds, which follows timeoutSeconds, nor a pod's securityContext
_SPEC = _object(
    ["containers"],
    containerConcurrency=_whole(0, 1000),
    timeoutSeconds=_whole(1, 86401),
    enableServiceLinks={"type": "boolean"},
    containers={"type": "array", "minItems": 1, "maxItems": 1, "items": _CONTAINER},
    volumes={"type": "array", "items": _VOLUME},
)
SERVICE = _object(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "serving.knative.dev/v1"},
    kind={"const": "Service"},
    metadata=_METADATA,
    spec=_object(
        ["template"],
        template=_object(
            ["spec"], metadata=_object([], labels=_TEXTS, annotations=_ANNOTATIONS), spec=_SPEC
        ),
    ),
)


def check(document: Mapping[str, Any]) -> None:
    """Check a Service."""
    jsonschema.Draft202012Validator(SERVICE).validate(document)
