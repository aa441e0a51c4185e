"""The values a context is made of, named as FC's built-in Python runtimes name them."""

from collections.abc import Mapping

import msgspec


class Secret(str):
    """Text that a ``repr`` does not show: not in a log of its holder, nor in a debugger's locals.

    Otherwise it is the text itself, as SDKs need it to sign with.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"

    def __rich_repr__(self) -> list[str]:
        return [repr(self)]


class Credentials(msgspec.Struct, frozen=True):
    """Temporary keys of the function's role; empty strings when it has none.

    They are as they were sent with this call: FC renews them (a token lives 36 hours).
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


class Tracing(msgspec.Struct, frozen=True):
    """The trace this call belongs to; ``span_baggages`` is the decoded object."""

    span_context: str
    jaeger_endpoint: str
    span_baggages: Mapping[str, str]
