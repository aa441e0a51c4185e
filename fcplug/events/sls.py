"""The event of a log trigger: a range of log entries in SLS."""

from datetime import datetime
from typing import Any

from fcplug.events import timestamps
from fcplug.events.wire import Camel


class SLSSource(Camel, frozen=True, kw_only=True):
    """The range of entries, and the logstore that has them."""

    endpoint: str
    project_name: str
    logstore_name: str
    shard_id: int
    begin_cursor: str
    end_cursor: str


class SLSEvent(Camel, frozen=True, kw_only=True):
    """What a log trigger sends.

    ::

        {"cursorTime": 1529486425, "jobName": "1f7043", "parameter": {}, "taskId": "c2691505",
         "source": {"endpoint": "http://cn-shanghai-intranet.log.aliyuncs.com", "shardId": 0,
                    "projectName": "shop", "logstoreName": "orders",
                    "beginCursor": "MTUy", "endCursor": "MTUz"}}

    It has no entries: read them from ``source``, between the two cursors.

    Source: FC's page "Formats of event for different triggers".
    """

    source: SLSSource
    cursor_time: int
    job_name: str = ""
    task_id: str = ""
    parameter: dict[str, Any] = {}

    @property
    def when(self) -> datetime:
        """The time of ``cursor_time``, which counts seconds, in UTC."""
        return timestamps.from_epoch(self.cursor_time)
