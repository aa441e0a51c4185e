"""What OpenTelemetry calls the resource: the instance of FC, or the process elsewhere."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from opentelemetry.sdk.resources import SERVICE_NAME, Resource

from fcplug import Context

_NAME = "FC_FUNCTION_NAME"
_MEGABYTE = 1024 * 1024


def resource_of(context: Context, environ: Mapping[str, str], service_name: str) -> Resource:
    """Return the resource of this process, by the conventions for FaaS and cloud.

    ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win over what FC says, and the setting
    ``service_name`` wins over all.
    """
    facts: dict[str, str | int] = {
        SERVICE_NAME: environ.get(_NAME) or "fcplug",
        "service.instance.id": str(uuid.uuid4()),
    }
    if name := environ.get(_NAME):
        facts |= {
            "cloud.provider": "alibaba_cloud",
            "cloud.platform": "alibaba_cloud_fc",
            "cloud.region": context.region,
            "cloud.account.id": context.account_id,
            "cloud.resource_id": resource_id(context, name),
            "faas.name": name,
            "faas.version": context.version_id or context.qualifier,
            "faas.instance": environ.get("FC_INSTANCE_ID", ""),
            "faas.max_memory": context.function.memory * _MEGABYTE,
        }
    own = Resource({key: value for key, value in facts.items() if value})
    found = own.merge(Resource.create(_given(environ)))
    return found.merge(Resource({SERVICE_NAME: service_name})) if service_name else found


def resource_id(context: Context, function: str) -> str:
    """Return the ARN of a function, empty where region or account are not known."""
    if not (context.region and context.account_id):
        return ""
    service = f"services/{context.service.name}/" if context.service.name else ""
    return f"acs:fc:{context.region}:{context.account_id}:{service}functions/{function}"


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a name for the service where ``Resource.create`` would make one up."""
    named = "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if environ.get("OTEL_SERVICE_NAME") or named:
        return {}
    return {SERVICE_NAME: environ.get(_NAME) or "fcplug"}
