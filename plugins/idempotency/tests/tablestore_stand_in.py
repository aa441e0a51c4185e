"""A stand-in of Tablestore: protobuf over HTTP, signatures checked, rows in memory.

    python tablestore_stand_in.py ID SECRET [TOKEN]

It prints its port. It knows what the store asks for: GetRow, PutRow, UpdateRow and CreateTable,
conditions on columns, the limits of sizes. The messages are those of the SDK; signatures, rows and
checksums are read and written here. ``POST /fail/CODE/TIMES`` makes it refuse the next writes with
an error, ``POST /drop/TIMES`` makes it execute them without an answer, and ``GET /rows`` counts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import struct
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def _messages_of_sdk(name: str) -> Any:
    """Load a module of the SDK without its package, which takes seconds."""
    sdk = importlib.util.find_spec("tablestore")
    assert sdk and sdk.origin  # noqa: PT018
    path = Path(sdk.origin).parent / "protobuf" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


filters = _messages_of_sdk("table_store_filter_pb2")
messages = _messages_of_sdk("table_store_pb2")

Cells = dict[str, bytes]  # a value is its type and its bytes, as on the wire
HEADER, PK, DATA, CELL, NAME, VALUE, TIMESTAMP, ROW_SUM, CELL_SUM = 0x75, 1, 2, 3, 4, 5, 7, 9, 10
LARGEST_VALUE, LARGEST_REQUEST = 2 * 1024 * 1024, 4 * 1024 * 1024


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = ((crc << 1) ^ (0x07 if crc & 0x80 else 0)) & 0xFF
        table.append(crc)
    return table


_CRC = _crc_table()


def crc8(data: bytes, crc: int = 0) -> int:
    for byte in data:
        crc = _CRC[crc ^ byte]
    return crc


class Refused(Exception):
    """An answer with an error code."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class Reader:
    """Reads one row in the format PlainBuffer, and checks its sums."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def row(self) -> tuple[Cells, Cells]:
        assert self._number() == HEADER
        assert self._byte() == PK
        row_sum = 0
        parts: list[Cells] = [{}, {}]
        for part in parts:
            while self._next() == CELL:
                name, value, cell_sum = self._cell()
                part[name] = value
                row_sum = crc8(bytes([cell_sum]), row_sum)
            if self._next() == DATA:
                self._byte()
        assert self._byte() == ROW_SUM
        assert self._byte() == crc8(b"\0", row_sum)
        assert self._at == len(self._data)
        return parts[0], parts[1]

    def _cell(self) -> tuple[str, bytes, int]:
        assert (self._byte(), self._byte()) == (CELL, NAME)
        name = self._take(self._number())
        assert self._byte() == VALUE
        value = self._take(self._number())
        assert self._byte() == CELL_SUM
        cell_sum = self._byte()
        assert cell_sum == crc8(name + value)
        return name.decode(), value, cell_sum

    def _next(self) -> int:
        return self._data[self._at]

    def _byte(self) -> int:
        return self._take(1)[0]

    def _number(self) -> int:
        (number,) = struct.unpack("<I", self._take(4))
        return int(number)

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]


def written(key: Cells, columns: Cells) -> bytes:
    """Return a row as GetRow answers it: with a time for each column."""
    out, row_sum = bytearray(struct.pack("<I", HEADER)), 0
    for tag, cells, moment in ((PK, key, b""), (DATA, columns, struct.pack("<q", 1))):
        out.append(tag)
        for name, value in cells.items():
            encoded = name.encode()
            out += struct.pack("<BBI", CELL, NAME, len(encoded)) + encoded
            out += struct.pack("<BI", VALUE, len(value)) + value
            out += bytes([TIMESTAMP]) + moment if moment else b""
            cell_sum = crc8(encoded + value + moment)
            out += bytes([CELL_SUM, cell_sum])
            row_sum = crc8(bytes([cell_sum]), row_sum)
    return bytes(out) + bytes([ROW_SUM, crc8(b"\0", row_sum)])


def holds(condition: Any, row: Cells | None) -> bool:
    """Return whether a condition of columns holds for a row."""
    if condition.type == filters.FT_COMPOSITE_COLUMN_VALUE:
        both = filters.CompositeColumnValueFilter.FromString(condition.filter)
        assert both.combinator == filters.LO_AND
        return all(holds(each, row) for each in both.sub_filters)
    one = filters.SingleColumnValueFilter.FromString(condition.filter)
    assert one.comparator == filters.CT_EQUAL
    value = (row or {}).get(one.column_name)
    return not one.filter_if_missing if value is None else value == one.column_value


class Tables:
    """The rows of all tables, and the faults that are to come."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: dict[str, dict[bytes, tuple[Cells, Cells]]] = {}
        self.faults: list[str] = []

    def answer(self, name: str, body: bytes) -> Any:
        """Return the message that answers a request.

        Raises:
            Refused: with the error code.
        """
        if len(body) > LARGEST_REQUEST:
            raise Refused(400, "OTSParameterInvalid")
        with self.lock:
            if name == "CreateTable":
                meta = messages.CreateTableRequest.FromString(body).table_meta
                assert [(key.name, key.type) for key in meta.primary_key] == [
                    ("key", messages.STRING)
                ]
                self.rows[meta.table_name] = {}
                return messages.CreateTableResponse()
            if name == "GetRow":
                return self._get(messages.GetRowRequest.FromString(body))
            if self.faults and self.faults[0] != "drop":
                raise Refused(503, self.faults.pop(0))
            kind = {"PutRow": messages.PutRowRequest, "UpdateRow": messages.UpdateRowRequest}[name]
            return self._write(name, kind.FromString(body))

    def _table(self, name: str) -> dict[bytes, tuple[Cells, Cells]]:
        if name not in self.rows:
            raise Refused(404, "OTSObjectNotExist")
        return self.rows[name]

    def _get(self, request: Any) -> Any:
        key, _ = Reader(request.primary_key).row()
        answer = messages.GetRowResponse()
        answer.consumed.capacity_unit.read = 1
        found = self._table(request.table_name).get(key["key"])
        answer.row = written(*found) if found else b""
        return answer

    def _write(self, name: str, request: Any) -> Any:
        table = self._table(request.table_name)
        key, cells = Reader(request.row if name == "PutRow" else request.row_change).row()
        if any(len(value) - 5 > LARGEST_VALUE for value in cells.values()):
            raise Refused(400, "OTSParameterInvalid")
        found = table.get(key["key"])
        wanted = request.condition
        exists = {messages.IGNORE: None, messages.EXPECT_EXIST: True}.get(
            wanted.row_existence, False
        )
        fits = exists is None or exists == (found is not None)
        if fits and wanted.column_condition:
            columns = found[1] if found else None
            fits = holds(filters.Filter.FromString(wanted.column_condition), columns)
        if not fits:
            raise Refused(403, "OTSConditionCheckFail")
        kept = found[1] if found and name == "UpdateRow" else {}
        table[key["key"]] = (key, {**kept, **cells})
        answer = messages.PutRowResponse() if name == "PutRow" else messages.UpdateRowResponse()
        answer.consumed.capacity_unit.write = 1
        return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    tables: Tables
    keys: tuple[str, str, str]

    def do_GET(self) -> None:
        counts = {name: len(rows) for name, rows in self.tables.rows.items()}
        self._send(200, json.dumps(counts).encode(), {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        _, name, *given = self.path.split("/")
        if name in ("fail", "drop"):
            fault = given[0] if name == "fail" else "drop"
            self.tables.faults += [fault] * int(given[-1])
            self._send(200, b"", {})
            return
        try:
            self._check(body)
            status, message = 200, self.tables.answer(name, body)
        except Refused as refused:
            status, message = refused.status, messages.Error(code=refused.code, message="no")
        if name != "GetRow" and self.tables.faults[:1] == ["drop"]:
            self.tables.faults.pop(0)
            self.close_connection = True
            return
        self._signed(status, message.SerializeToString())

    def _check(self, body: bytes) -> None:
        key_id, secret, token = self.keys
        own = dict(self._own(self.headers.items()))
        signature = own.pop("x-ots-signature")
        lines = "".join(f"{name}:{own[name].strip()}\n" for name in sorted(own))
        expected = _hmac(secret, f"{self.path}\nPOST\n\n{lines}")
        moment = datetime.strptime(own["x-ots-date"], "%Y-%m-%dT%H:%M:%S.%fZ")
        age = datetime.now(timezone.utc) - moment.replace(tzinfo=timezone.utc)
        checks = (
            own["x-ots-accesskeyid"] == key_id,
            own.get("x-ots-ststoken", "") == token,
            hmac.compare_digest(signature, expected),
            own["x-ots-contentmd5"] == base64.b64encode(hashlib.md5(body).digest()).decode(),
            own["x-ots-apiversion"] == "2015-12-31",
            own["x-ots-instancename"] == "shop",
            abs(age.total_seconds()) < 15 * 60,
        )
        if not all(checks):
            raise Refused(403, "OTSAuthFailed")

    def _signed(self, status: int, body: bytes) -> None:
        headers = {
            "x-ots-contentmd5": base64.b64encode(hashlib.md5(body).digest()).decode(),
            "x-ots-contenttype": "protocol buffer",
            "x-ots-date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "x-ots-requestid": "1-a",
        }
        lines = "\n".join(f"{name}:{headers[name]}" for name in sorted(headers))
        signature = _hmac(self.keys[1], f"{lines}\n{self.path}")
        self._send(status, body, {**headers, "authorization": f"OTS {self.keys[0]}:{signature}"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def _own(headers: Any) -> Iterator[tuple[str, str]]:
        yield from ((n.lower(), v) for n, v in headers if n.lower().startswith("x-ots-"))

    def log_message(self, *_args: object) -> None: ...


def _hmac(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), "sha1").digest()).decode()


if __name__ == "__main__":
    Handler.tables = Tables()
    Handler.keys = (sys.argv[1], sys.argv[2], (*sys.argv[3:], "")[0])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
