"""The event of a time trigger."""

from datetime import datetime

from fcplug.events import timestamps
from fcplug.events.wire import Camel


class TimerEvent(Camel, frozen=True, kw_only=True):
    """What a time trigger sends.

    ::

        {"triggerTime": "2026-07-29T10:02:58Z", "triggerName": "nightly", "payload": "all"}

    ``payload`` is the text that is set in the trigger. JSON in it is not decoded.

    Source: FC's page "Formats of event for different triggers".
    """

    trigger_time: str
    trigger_name: str
    payload: str = ""

    @property
    def when(self) -> datetime:
        """The time when the trigger was due, with its time zone."""
        return timestamps.parse(self.trigger_time)
