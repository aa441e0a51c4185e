"""The events of EventBridge: CloudEvents, single or as a batch of messages."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import field

from fcplug.events import timestamps
from fcplug.events.decoding import describe_problem

T = TypeVar("T")
M = TypeVar("M", bound="CloudEvent[Any]")


class CloudEvent(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What EventBridge sends; ``CloudEvent[Order]`` has ``data`` of the type ``Order``.

    ::

        {"id": "c2g71017", "source": "shop", "type": "shop:order", "specversion": "1.0",
         "time": "2026-04-08T06:28:17.093Z", "aliyunregionid": "cn-chengdu", "data": {"size": 7}}

    EventBridge may send an event more than once, with the same ``source`` and ``id``.
    ``CloudEvent[OSSRecord]`` is what EventBridge sends for an object of OSS.

    Source: CloudEvents 1.0; the ``aliyun...`` fields are on FC's page "Formats of event for
    different triggers". That ``data`` of OSS is a record of an ``OSSEvent`` is from an event
    pattern of EventBridge's own samples; FC's pages do not show such an event.
    """

    id: str
    source: str
    type: str
    data: T
    specversion: str = "1.0"
    datacontenttype: str = ""
    subject: str = ""
    time: str = ""
    account_id: str = field(default="", name="aliyunaccountid")
    original_account_id: str = field(default="", name="aliyunoriginalaccountid")
    event_bus_name: str = field(default="", name="aliyuneventbusname")
    region_id: str = field(default="", name="aliyunregionid")
    publish_time: str = field(default="", name="aliyunpublishtime")
    publish_address: str = field(default="", name="aliyunpublishaddr")

    @property
    def when(self) -> datetime | None:
        """The time of the event, with its time zone; None if it has no time."""
        return timestamps.parse(self.time) if self.time else None


class Batch(Generic[M]):
    """Decodes the messages of one event, which EventBridge sends in several forms.

    An event is one message or an array of messages. A message is an object or a text with its
    JSON. It is a CloudEvent or, if the format of the trigger is RawData, only the data of one.
    """

    def __init__(self, message: type[M], data: type) -> None:
        self._message = message
        self._enveloped = msgspec.json.Decoder(message)
        self._all_enveloped: msgspec.json.Decoder[tuple[M, ...]] = msgspec.json.Decoder(
            tuple[message, ...]  # type: ignore[valid-type]
        )
        self._data: msgspec.json.Decoder[Any] = msgspec.json.Decoder(data)

    def decode(self, event: bytes) -> tuple[M, ...]:
        """Return the messages in order; without a CloudEvent, all fields but ``data`` are empty.

        Raises:
            ValueError: a message does not fit its type.
        """
        if not event[:64].lstrip().startswith(b"["):
            return (self._one(event),)
        try:
            return self._all_enveloped.decode(event)  # the usual form, in one pass
        except msgspec.ValidationError:
            pass
        parts = enumerate(_PARTS.decode(event))
        return tuple(self._of_array(index, bytes(part)) for index, part in parts)

    def _of_array(self, index: int, text: bytes) -> M:
        try:
            if text.startswith(b'"'):
                text = _TEXT.decode(text).encode()
            return self._one(text)
        except ValueError as error:
            what = describe_problem(error, text)
            rest = what[1:] if what.startswith("$") else f": {what}"
            raise msgspec.ValidationError(f"$[{index}]{rest}") from None

    def _one(self, text: bytes) -> M:
        if _ENVELOPE.isdisjoint(_FIELDS.decode(text)):
            data = self._data.decode(text)
            return self._message(id="", source="", type="", data=data)
        message: M = self._enveloped.decode(text)
        return message


_ENVELOPE = {"specversion", "source", "type", "data"}
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
