"""The values a context is made of, named as FC's built-in Python runtimes name them."""

from collections.abc import Mapping

import msgspec


class Credentials(msgspec.Struct, frozen=True):
    """Temporary keys of the function's role; empty strings when it has none.

    They are as they were sent with this call: FC renews them (a token lives 36 hours).
    """

    access_key_id: str = ""
    access_key_secret: str = ""
    security_token: str = ""

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

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("keys", "***")]


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


class Tracing(msgspec.Struct, frozen=True):
    """The trace this call belongs to; ``span_baggages`` is the decoded object."""

    span_context: str
    jaeger_endpoint: str
    span_baggages: Mapping[str, str]
