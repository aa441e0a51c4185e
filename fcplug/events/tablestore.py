"""The event of a Tablestore trigger, which is CBOR."""

import sys
from datetime import datetime
from typing import Any

import msgspec

from fcplug.events import timestamps
from fcplug.events.wire import Pascal

try:
    import cbor2
except ImportError as error:
    raise ImportError(
        f"Tablestore's events are CBOR: {sys.executable} -m pip install cbor2"
    ) from error


class TablestoreInfo(Pascal, frozen=True, kw_only=True):
    """The time of the change; ``timestamp`` is microseconds since 1970."""

    timestamp: int


class TablestoreKey(Pascal, frozen=True, kw_only=True):
    """A column of the primary key; its value is text, a number or bytes."""

    column_name: str
    value: Any


class TablestoreColumn(Pascal, frozen=True, kw_only=True):
    """A column that was written; ``timestamp`` is milliseconds since 1970.

    A column that was deleted has no value.
    """

    type: str
    column_name: str
    value: Any = None
    timestamp: int = 0


class TablestoreRecord(Pascal, frozen=True, kw_only=True):
    """One change of a row: ``PutRow``, ``UpdateRow`` or ``DeleteRow``."""

    type: str
    info: TablestoreInfo
    primary_key: tuple[TablestoreKey, ...]
    columns: tuple[TablestoreColumn, ...] = ()

    @property
    def when(self) -> datetime:
        """The time of the change, in UTC."""
        return timestamps.from_epoch(self.info.timestamp / 1_000_000)


class TablestoreEvent(Pascal, frozen=True, kw_only=True):
    """What a Tablestore trigger sends, in CBOR; here as JSON.

    ::

        {"Version": "Sync-v1",
         "Records": [{"Type": "PutRow", "Info": {"Timestamp": 1506416585740836},
                      "PrimaryKey": [{"ColumnName": "pk_0", "Value": 1506416585881590900}],
                      "Columns": [{"Type": "Put", "ColumnName": "attr_0", "Value": "hello",
                                   "Timestamp": 1506416585741}]}]}

    The times of records and of columns are in different units. Needs ``fcplug[tablestore]``.

    Source: FC's pages "Formats of event for different triggers" and "Tablestore triggers".
    """

    records: tuple[TablestoreRecord, ...]
    version: str = ""

    @classmethod
    def from_event(cls, event: bytes) -> "TablestoreEvent":
        """Decode the bytes of an event.

        Raises:
            ValueError: the bytes do not fit the type.
        """
        try:
            document = cbor2.loads(event)
        except cbor2.CBORDecodeEOF as error:
            raise msgspec.ValidationError(f"truncated CBOR at byte {len(event)}") from error
        except (
            Exception
        ) as error:  # tags are decoded into times, numbers and more, with errors of their own
            raise msgspec.ValidationError(f"malformed CBOR: {error}") from error
        return msgspec.convert(document, cls)
