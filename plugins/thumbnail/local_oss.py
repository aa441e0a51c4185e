"""A small OSS on this machine, for the tests and the figures: objects in memory.

It serves HeadObject, GetObject with ranges, and PutObject, checks signatures of version 4 as OSS's
page "Include a V4 signature in the Authorization header" defines them, and answers with OSS's
errors. Faults can be put in the way of its answers. It is no OSS to develop against: it knows no
lists, no multipart uploads and no ACLs.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from oss_v4 import ALGORITHM, SCOPE, Scope, canonical, crc64

_SKEW = 15 * 60  # seconds


@dataclass
class Account:
    """Temporary credentials, and what they allow."""

    key_id: str
    secret: str
    token: str
    allowed: tuple[str, ...] = ("GetObject", "PutObject")
    expired: bool = False


@dataclass
class Stored:
    """An object: its bytes and the headers that it was stored with."""

    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The ETag."""
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest().upper()}"'


class Seen(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    key_id: str
    port: int


class Failure(Exception):  # noqa: N818 - an answer of OSS
    """An answer of OSS that is an error; ``more`` are further elements of its document."""

    def __init__(self, status: int, code: str, message: str = "", **more: str) -> None:
        super().__init__(code)
        self.status = status
        self.elements = {
            "Code": code,
            "Message": message or code,
            "RequestId": "5C3D9175B6FC201293A",
        }
        self.elements.update(more)


Fault = Callable[["Exchange"], None]


class LocalOSS:
    """The service: its accounts, objects by ``bucket/key``, and the faults to come.

    Attributes:
        faults: by method, what happens to the next answers; each takes the place of one.
        seen: all requests.
        clock: seconds that its clock is ahead of this machine's.
        elsewhere: buckets of other regions, with their endpoints.
    """

    def __init__(self, region: str = "cn-hangzhou") -> None:
        self.region = region
        self.accounts: dict[str, Account] = {}
        self.buckets = {"photos"}
        self.elsewhere: dict[str, str] = {}
        self.objects: dict[str, Stored] = {}
        self.faults: dict[str, list[Fault]] = {"GET": [], "PUT": [], "HEAD": []}
        self.seen: list[Seen] = []
        self.clock = 0.0
        self.checksums = True
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self._server.daemon_threads = True
        self._server.service = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, name: str, **settings: object) -> Account:
        """Add an account whose credentials begin with a name, and return it."""
        account = Account(f"STS.{name}KeyId", f"{name}Secret0123", f"{name}Token/+=", **settings)  # type: ignore[arg-type]
        self.accounts[account.key_id] = account
        return account

    def methods(self) -> list[str]:
        """Return the methods of all requests, in order."""
        return [each.method for each in self.seen]

    def close(self) -> None:
        """End it."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def verify(self, method: str, url: str, headers: Mapping[str, str]) -> Account:
        """Return whose request it is; raise a Failure unless its signature is right."""
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if scheme != ALGORITHM or not {"Credential", "Signature"} <= parts.keys():
            raise Failure(403, "AccessDenied", "Anonymous access is forbidden for this operation.")
        key_id, date, region, *scope = parts["Credential"].split("/")
        if tuple(scope) != SCOPE or region != self.region:
            raise Failure(400, "InvalidArgument", "Invalid signing region in Authorization header.")
        account = self._account(key_id, headers.get("x-oss-security-token", ""))
        self._check_time(headers.get("x-oss-date", ""))
        scope_of = Scope(headers.get("x-oss-date", ""), date, region)
        request = canonical(method, url, headers, parts.get("AdditionalHeaders", ""))
        if not hmac.compare_digest(scope_of.sign(request, account.secret), parts["Signature"]):
            raise Failure(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
                OSSAccessKeyId=key_id,
                SignatureProvided=parts["Signature"],
                StringToSign=scope_of.text(request),
                CanonicalRequest=request,
            )
        return account

    def _account(self, key_id: str, token: str) -> Account:
        account = self.accounts.get(key_id)
        if account is None:
            text = "The OSS Access Key Id you provided does not exist in our records."
            raise Failure(403, "InvalidAccessKeyId", text, OSSAccessKeyId=key_id)
        if account.expired:
            text = "The security token you provided has expired."
            raise Failure(403, "SecurityTokenExpired", text, EC="0002-00000007")
        if token != account.token:
            text = f"The security token you provided is invalid: {token}"
            raise Failure(403, "InvalidSecurityToken", text)
        return account

    def _check_time(self, sent: str) -> None:
        moment = datetime.strptime(sent, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if abs(moment.timestamp() - time.time() - self.clock) > _SKEW:
            text = "The difference between the request time and the current time is too large."
            raise Failure(403, "RequestTimeTooSkewed", text, MaxAllowedSkewMilliseconds="900000")


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer; ``name`` and ``fields`` are its object and its headers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    name = ""
    fields: Mapping[str, str] = MappingProxyType({})

    def do_GET(self) -> None:
        """Answer GetObject."""
        self._answer("GetObject")

    def do_HEAD(self) -> None:
        """Answer HeadObject."""
        self._answer("GetObject")

    def do_PUT(self) -> None:
        """Answer PutObject."""
        self._answer("PutObject")

    def log_message(self, *_: object) -> None:
        """Write no log."""

    @property
    def oss(self) -> LocalOSS:
        """The service."""
        service: LocalOSS = self.server.service  # type: ignore[attr-defined]
        return service

    def _answer(self, action: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.fields = headers = {name.lower(): value for name, value in self.headers.items()}
        key_id = headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        seen = Seen(self.command, self.path, headers, key_id, self.client_address[1])
        self.oss.seen.append(seen)
        faults = self.oss.faults[self.command]
        try:
            account = self.oss.verify(self.command, self.path, headers)
            self.name = unquote(urlsplit(self.path).path)[1:]
            if faults:
                faults.pop(0)(self)
                return
            self._allow(account, action, self.name.partition("/")[0])
            if action == "PutObject":
                self.put(body)
            else:
                self.get()
        except Failure as failure:
            self.fail(failure)

    def _allow(self, account: Account, action: str, bucket: str) -> None:
        if endpoint := self.oss.elsewhere.get(bucket):
            text = "The bucket must be addressed using the specified endpoint."
            raise Failure(403, "AccessDenied", text, Endpoint=endpoint, Bucket=bucket)
        if bucket not in self.oss.buckets:
            raise Failure(404, "NoSuchBucket", "The specified bucket does not exist.")
        if action not in account.allowed:
            raise Failure(403, "AccessDenied", "You have no right to access this object.")

    def put(self, body: bytes) -> None:
        """Store an object."""
        kept = {
            header: value
            for header, value in self.fields.items()
            if header.startswith("x-oss-meta-") or header == "content-type"
        }
        self.oss.objects[self.name] = stored = Stored(body, kept)
        self.send(200, {"ETag": stored.tag, "x-oss-hash-crc64ecma": str(crc64(body))})

    def get(
        self, sent: bytes | None = None, write: Callable[[bytes], object] | None = None
    ) -> None:
        """Send an object, or the range that is asked for.

        Args:
            sent: in place of its bytes.
            write: what sends the body.
        """
        stored = self.oss.objects.get(self.name)
        if stored is None:
            raise Failure(404, "NoSuchKey", "The specified key does not exist.")
        if self.fields.get("if-match", stored.tag) != stored.tag:
            raise Failure(412, "PreconditionFailed", "At least one of the pre-conditions failed.")
        fields = {**stored.headers, "ETag": stored.tag}
        if self.oss.checksums:
            fields["x-oss-hash-crc64ecma"] = str(crc64(stored.data))
        data, status = stored.data if sent is None else sent, 200
        if asked := self.fields.get("range", "").removeprefix("bytes="):
            begin = int(asked.partition("-")[0])
            fields["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            data, status = data[begin:], 206
        self.send(status, fields, data, write)

    def fail(self, failure: Failure) -> None:
        """Send an error as OSS does."""
        elements = "".join(
            f"<{tag}>{escape(text)}</{tag}>" for tag, text in failure.elements.items()
        )
        document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'
        self.send(failure.status, {"Content-Type": "application/xml"}, document.encode())

    def send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        write: Callable[[bytes], object] | None = None,
    ) -> None:
        """Send an answer; ``write`` sends its body."""
        self.send_response(status)
        for name, value in {"x-oss-request-id": "5C3D9175B6FC201293A", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            (write or self.wfile.write)(body)
