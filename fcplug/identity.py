"""The values a context is made of, named as FC's built-in Python runtimes name them."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fcplug import protocol

SHADOW_OF = "fcplug shadow of"
"""What headers call the request id of a copied call; no client can send a name with spaces."""


class Secret(str):
    """Text that a ``repr`` does not show, so that it is not in a log or a debugger by accident.

    Otherwise it is the text itself: SDKs sign with it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"

    def __rich_repr__(self) -> list[str]:
        return [repr(self)]


class Credentials(msgspec.Struct, frozen=True):
    """Temporary keys of the function's role; empty strings when it has none.

    They are those that were sent with this call: FC renews them (a token is valid for 36 hours).
    """

    access_key_id: str = ""
    access_key_secret: str = ""
    security_token: str = ""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            msgspec.structs.force_setattr(self, name, Secret(getattr(self, name)))

    @property
    def accessKeyId(self) -> str:  # noqa: N802 - FC's spelling
        """The access key id."""
        return self.access_key_id

    @property
    def accessKeySecret(self) -> str:  # noqa: N802 - FC's spelling
        """The access key secret."""
        return self.access_key_secret

    @property
    def securityToken(self) -> str:  # noqa: N802 - FC's spelling
        """The security token."""
        return self.security_token


class FunctionInfo(msgspec.Struct, frozen=True):
    """The function as FC knows it; ``memory`` in MB, ``timeout`` in seconds, 0 when not known."""

    name: str
    handler: str
    memory: int
    timeout: int
    version_id: str
    qualifier: str


class ServiceInfo(msgspec.Struct, frozen=True):
    """The FC 2.0 service; on FC 3.0 only the log names are filled, often not even these."""

    name: str
    log_project: str
    log_store: str
    qualifier: str
    version_id: str

    @classmethod
    def of(cls, header: Callable[[str], str]) -> "ServiceInfo":
        """Return the service that the headers of a call name."""
        return cls(
            name=header(protocol.SERVICE_NAME),
            log_project=header(protocol.LOG_PROJECT),
            log_store=header(protocol.LOG_STORE),
            qualifier=header(protocol.QUALIFIER),
            version_id=header(protocol.VERSION_ID),
        )


class Tracing(msgspec.Struct, frozen=True):
    """The trace this call belongs to; ``span_baggages`` is the decoded object."""

    span_context: str
    jaeger_endpoint: str
    span_baggages: Mapping[str, str]

    @classmethod
    def of(cls, header: Callable[[str], str]) -> "Tracing":
        """Return the trace that the headers of a call name."""
        return cls(
            span_context=header(protocol.SPAN_CONTEXT),
            jaeger_endpoint=header(protocol.JAEGER_ENDPOINT),
            span_baggages=_decoded_baggages(header(protocol.SPAN_BAGGAGES)),
        )


class RequestLogger(logging.Logger):
    """A logger whose records carry one invocation, on any thread."""

    def __init__(self, context: object) -> None:
        super().__init__("fcplug.request")
        self.parent = logging.getLogger()
        self._context = context

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's spelling
        """Return whether a level is written; not cached, as nothing would clear this cache."""
        return level > self.manager.disable and level >= self.getEffectiveLevel()

    def handle(self, record: logging.LogRecord) -> None:
        """Mark the record with the invocation and pass it on to the root logger."""
        record.fc_context = self._context
        super().handle(record)


def _decoded_baggages(text: str) -> Mapping[str, str]:
    """Return the object that a header carries as base64 of JSON; empty for anything else."""
    if not text:
        return {}
    import base64  # noqa: PLC0415 - few calls have baggages

    try:
        value = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def integer(text: str, fallback: int) -> int:
    """Return a decimal header's number; FC's runtimes fall back on anything else, never raise."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    return fallback


class FcSpellings:
    """What FC's built-in Python runtimes call parts of a context, beside the names of fcplug."""

    __slots__ = ()

    requestId = property(lambda self: self.request_id)  # noqa: N815 - FC's spelling
    accountId = property(lambda self: self.account_id)  # noqa: N815 - FC's spelling
    retryCount = property(lambda self: self.retry_count)  # noqa: N815 - FC's spelling

    def getLogger(self: Any) -> logging.Logger:  # noqa: N802 - FC's spelling
        """Return ``logger``."""
        logger: logging.Logger = self.logger
        return logger

    def to_json(self: Any) -> str:
        """Return the context as FC's Python 3.9 runtime writes it: credentials included."""
        keys, function, service, tracing = (
            self.credentials,
            self.function,
            self.service,
            self.tracing,
        )
        return json.dumps(
            {
                "requestId": self.request_id,
                "credentials": {
                    "accessKeyId": keys.access_key_id,
                    "accessKeySecret": keys.access_key_secret,
                    "securityToken": keys.security_token,
                },
                "function": {
                    "name": function.name,
                    "handler": function.handler,
                    "memory": function.memory,
                    "timeout": function.timeout,
                },
                "service": {
                    "name": service.name,
                    "logProject": service.log_project,
                    "logStore": service.log_store,
                    "qualifier": service.qualifier,
                    "versionId": service.version_id,
                },
                "region": self.region,
                "accountId": self.account_id,
                "retryCount": self.retry_count,
                "tracing": {
                    "openTracingSpanContext": tracing.span_context,
                    "openTracingSpanBaggages": dict(tracing.span_baggages),
                    "jaegerEndpoint": tracing.jaeger_endpoint,
                },
            }
        )
