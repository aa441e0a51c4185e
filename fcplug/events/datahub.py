"""The event of a DataHub connector."""

from datetime import datetime

import msgspec

from fcplug.events import timestamps
from fcplug.events.wire import Camel


class DataHubRecord(Camel, frozen=True, kw_only=True):
    """One record of a topic; ``system_time`` is milliseconds since 1970.

    ``data`` is text. For a topic of tuples it is a JSON array with the values of the columns.
    """

    event_id: str
    system_time: int
    data: str

    @property
    def when(self) -> datetime:
        """The time of ``system_time``, in UTC."""
        return timestamps.from_epoch(self.system_time / 1000)


class DataHubEvent(Camel, frozen=True, kw_only=True):
    r"""What DataHub sends for records of a topic.

    ::

        {"eventSource": "acs:datahub", "eventName": "acs:datahub:putRecord",
         "eventSourceARN": "/projects/shop/topics/orders", "region": "cn-hangzhou",
         "records": [{"eventId": "0:12345", "systemTime": 1463000123000,
                      "data": "[\"o-1\",\"7\"]"}]}

    Source: FC's Go SDK and FC's sample of a DataHub function; FC's page of event formats no longer
    has it. They do not show ``data`` for a topic of binary values.
    """

    records: tuple[DataHubRecord, ...]
    event_source: str = ""
    event_name: str = ""
    event_source_arn: str = msgspec.field(default="", name="eventSourceARN")
    region: str = ""
