"""The event of a DTS trigger: rows of a database that changed."""

from typing import Any

import msgspec

from fcplug.events.cloudevents import Batch, CloudEvent
from fcplug.events.wire import Camel


class DTSField(Camel, frozen=True, kw_only=True):
    """A column; ``raw_data_type_num`` is the number of its type in DTS."""

    field_name: str
    raw_data_type_num: int = 0
    is_primary_key: bool = False
    is_unique_key: bool = False
    field_position: int | str = 0


class DTSIndex(Camel, frozen=True, kw_only=True):
    """An index of the table."""

    index_type: str = ""
    index_fields: tuple[DTSField, ...] = ()
    cardinality: int | str = 0
    nullable: bool = False
    is_first_unique_index: bool = False


class DTSDatabase(Camel, frozen=True, kw_only=True):
    """The kind of database: ``MySQL``."""

    database_type: str = ""
    version: str = ""


class DTSSchema(Camel, frozen=True, kw_only=True):
    """The table of the row."""

    record_fields: tuple[DTSField, ...] = ()
    name_index: dict[str, DTSField] = {}
    schema_id: str = ""
    database_name: str = ""
    table_name: str = ""
    primary_index_info: DTSIndex | None = None
    unique_index_info: tuple[Any, ...] = ()
    foreign_index_info: tuple[Any, ...] = ()
    normal_index_info: tuple[Any, ...] = ()
    database_info: DTSDatabase = DTSDatabase()
    total_rows: int = 0


class DTSValue(Camel, frozen=True, kw_only=True):
    """The value of one column as DTS sends it: a number, or a buffer with the bytes of a text."""

    data: Any = None
    charset: str = ""

    @property
    def value(self) -> Any:
        """The value; for a buffer its text if the charset is UTF-8 or ASCII, else its bytes."""
        held = self.data.get("hb") if isinstance(self.data, dict) else None
        if not isinstance(held, list) or not all(isinstance(byte, int) for byte in held):
            return self.data
        content = bytes(byte & 0xFF for byte in held)  # Java's bytes may be negative
        if not self.charset.lower().startswith(("utf8", "utf-8", "ascii")):
            return content
        return content.decode("utf-8", "replace")


class DTSImage(Camel, frozen=True, kw_only=True):
    """A row before or after the change; its values have the order of the columns."""

    record_schema: DTSSchema = DTSSchema()
    values: tuple[DTSValue | None, ...] = ()
    size: int = 0

    @property
    def row(self) -> dict[str, Any]:
        """The values by the names of their columns."""
        fields = self.record_schema.record_fields
        pairs = zip(fields, self.values, strict=False)
        return {field.field_name: each and each.value for field, each in pairs}


class DTSTopicPartition(Camel, frozen=True, kw_only=True):
    """The position of the change in DTS."""

    hash: int | str = 0
    partition: int | str = 0
    topic: str = ""


class DTSData(Camel, frozen=True, kw_only=True):
    """One change; ``source_timestamp`` is seconds since 1970.

    ``before_image`` or ``after_image`` is None if there is no such row.
    """

    operation_type: str
    id: int | str = 0
    topic_partition: DTSTopicPartition = DTSTopicPartition()
    offset: int = 0
    source_timestamp: int = 0
    schema: DTSSchema | None = None
    before_image: DTSImage | None = None
    after_image: DTSImage | None = None


class DTSMessage(CloudEvent[DTSData], frozen=True, kw_only=True):
    """One change of a row."""


class DTSEvent(msgspec.Struct, frozen=True):
    """What a DTS trigger sends: an array of changes.

    ::

        [{"id": "12f701a4", "source": "DTSstreamDemo", "specversion": "1.0",
          "type": "dts:ConsumeMessage",
          "data": {"id": 321, "operationType": "UPDATE", "offset": 3218099,
                   "sourceTimestamp": 1654847757,
                   "topicPartition": {"hash": 0, "partition": 0, "topic": "shop"},
                   "schema": {"databaseName": "shop", "tableName": "orders"},
                   "afterImage": {"values": [{"data": 115}], "size": 47,
                                  "recordSchema": {"recordFields": [{"fieldName": "id"}]}}}}]

    An error for one change fails the whole batch.

    Source: FC's page "Formats of event for different triggers". It shows only
    an UPDATE of a MySQL table. That an INSERT has no image before and a DELETE none after is an
    assumption; the values of other databases and other types are unknown.
    """

    messages: tuple[DTSMessage, ...]

    @classmethod
    def from_event(cls, event: bytes) -> "DTSEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        return cls(_MESSAGES.decode(event))


_MESSAGES = Batch(DTSMessage, DTSData)
