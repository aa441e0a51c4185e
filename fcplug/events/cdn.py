"""The events of a CDN trigger."""

from datetime import datetime
from typing import Any

from fcplug.events import timestamps
from fcplug.events.wire import Camel


class CDNParameter(Camel, frozen=True, kw_only=True):
    """The parameters of an event; those that its kind does not have are None.

    ``LogFileCreated``: domain, start and end time (seconds since 1970), file size (bytes) and path.
    ``CachedObjectsRefreshed`` and similar kinds: object paths and type, create and complete time,
    task.
    ``CdnDomainStarted`` and ``CdnDomainStopped``: domain and status.
    """

    domain: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    file_size: int | None = None
    file_path: str | None = None
    object_path: tuple[str, ...] | None = None
    object_type: str | None = None
    create_time: int | str | None = None
    complete_time: int | str | None = None
    task_id: int | str | None = None
    status: str | None = None


class CDNRecord(Camel, frozen=True, kw_only=True):
    """One event of a domain.

    ``LogFileCreated``, ``CachedObjectsRefreshed``, ``CdnDomainStarted``, ``CdnDomainAdded``.
    """

    event_name: str
    event_time: str
    event_parameter: CDNParameter = CDNParameter()
    resource: dict[str, Any] = {}
    user_identity: dict[str, Any] = {}
    event_source: str = ""
    event_version: str = ""
    region: str = ""
    trace_id: str = ""

    @property
    def when(self) -> datetime:
        """The time of the event, with its zone."""
        return timestamps.parse(self.event_time)


class CDNEvent(Camel, frozen=True, kw_only=True):
    """What a CDN trigger sends.

    ::

        {"events": [{"eventName": "LogFileCreated", "eventTime": "2026-06-14T15:31:49+08:00",
                     "resource": {"domain": "example.com"},
                     "eventParameter": {"domain": "example.com", "fileSize": 1788115,
                                        "filePath": "http://cdnlog/1.gz",
                                        "startTime": 1528959600, "endTime": 1528959900}}]}

    ``eventTime`` has the time zone of China, not UTC.

    Source: FC's page "Formats of event for different triggers".
    """

    events: tuple[CDNRecord, ...]
