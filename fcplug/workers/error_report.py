"""Send an exception from a worker to the runtime."""

import json

from msgspec import Struct

from fcplug import result
from fcplug.errors import FcplugError, PluginError, RemoteError
from fcplug.identity import Credentials
from fcplug.workers.messages import Header
from fcplug.workers.wire import MAX_PART

_NO_KEYS = Credentials()


class LoadError(Struct, frozen=True):
    """The parts of a PluginError's text."""

    what: str
    where: str
    fix: str


class ErrorReport(Header, frozen=True):
    """Everything that the error document and the log need of an exception."""

    kind: str
    message: str
    trace: list[str | list[str]]
    explained: str
    load_error: LoadError | None = None

    @classmethod
    def from_error(cls, error: BaseException, keys: Credentials = _NO_KEYS) -> "ErrorReport":
        """Return the report of an exception.

        Only its class if the exception cannot be reported.

        The values of the call's keys are masked here, before long texts are cut: half a key is not
        recognized afterwards.
        """
        try:
            return cls._from_error(error, keys)
        except Exception as broken:
            text = f"<{type(error).__name__} that cannot be reported: {type(broken).__name__}>"
            return cls(type(error).__name__, text, [], text)

    @classmethod
    def _from_error(cls, error: BaseException, keys: Credentials) -> "ErrorReport":
        document = json.loads(result.failure(error, keys).body)
        report = cls(
            kind=document["errorType"],
            message=document["errorMessage"],
            trace=document.get("stackTrace", []),
            explained=result.format_error(error),
            load_error=LoadError(error.what, error.where, error.fix)
            if isinstance(error, PluginError)
            else None,
        )
        if len(report.to_header()) > MAX_PART:
            raise ValueError("larger than a frame")
        return report

    def to_error(self) -> FcplugError:
        """Return the exception to raise in the runtime."""
        if self.load_error is None:
            return RemoteError(self.kind, self.message, self.trace, self.explained)
        what, where, fix = self.load_error.what, self.load_error.where, self.load_error.fix
        causes = [line for line in self.trace if isinstance(line, str)]
        error = PluginError(self.kind, what, fix=fix, causes=causes).located(where)
        error.log_text = self.explained
        return error
