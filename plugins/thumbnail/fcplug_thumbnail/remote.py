"""Objects of OSS by its official SDK: read in a stream, written in one request.

Import it only to use it: the SDK takes some 200 ms and 27 MiB.
"""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import quote

import alibabacloud_oss_v2 as sdk
from alibabacloud_oss_v2 import crc
from alibabacloud_oss_v2.retry import StandardRetryer
from alibabacloud_oss_v2.transport import RequestsHttpClient

from fcplug_thumbnail.errors import BadImage
from fcplug_thumbnail.location import Location
from fcplug_thumbnail.oss import ObjectEvent
from fcplug_thumbnail.refusals import Attempt, OutOfTime, Unreadable, explained, service_code
from fcplug_thumbnail.store import Encoded, Source

MARK = "thumbnail-of"
"""The user metadata that thumbnails carry: the URL-encoded key of their object."""

TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}
"""The content type for each extension."""

_CONNECT, _ANSWER = 5.0, 20.0  # seconds for a connection, and between two packets
_BLOCK = 16 * 1024
_POOL = 64  # connections that are kept, of so many calls at once
_KNOWN_ONCE_GONE = "PreconditionFailed"  # the object was replaced between two reads of it


def connect() -> Any:
    """Return the connections to OSS, which any number of calls may share at once."""
    shared = RequestsHttpClient(max_connections=_POOL)
    shared.open()  # at once, since it opens itself without a lock
    return shared


class _Bounded(sdk.HttpClient):  # type: ignore[misc]
    """Sends requests over shared connections, none later than a call's end."""

    def __init__(self, shared: Any, remaining: Callable[[], float]) -> None:
        self._shared = shared
        self._remaining = remaining
        self.sent = 0

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; raise OutOfTime if there is no time left."""
        if (left := self._remaining()) <= 0:
            raise OutOfTime
        self.sent += 1
        limits = {"connect_timeout": min(_CONNECT, left), "readwrite_timeout": min(_ANSWER, left)}
        return self._shared.send(request, **{**options, **limits})

    def open(self) -> None:
        """Do nothing: the connections are open."""

    def close(self) -> None:
        """Do nothing: others use the connections."""


class _Retryer(StandardRetryer):  # type: ignore[misc]
    """Retries what the SDK retries, after its pauses, while a call has time left."""

    def __init__(self, attempts: int, remaining: Callable[[], float]) -> None:
        super().__init__(max_attempts=attempts)
        self._remaining = remaining

    def retry_delay(self, attempt: int, error: Exception | None) -> float:
        """Return the seconds until the next attempt."""
        return min(float(super().retry_delay(attempt, error)), max(0.0, self._remaining()))


class Remote:
    """The objects that the credentials of one call may read and write.

    Each call has a client of its own over the shared connections, so that no request can be signed
    with the credentials of another call.

    Args:
        shared: of ``connect``.
        location: the region and the endpoint.
        credentials: access key id, access key secret and security token.
        remaining: returns the seconds that the call has left.
        attempts: how often a request is sent, and a body read.
    """

    def __init__(
        self,
        shared: Any,
        location: Location,
        credentials: tuple[str, str, str],
        remaining: Callable[[], float],
        attempts: int,
    ) -> None:
        self._location = location
        self._secrets = credentials
        self._remaining = remaining
        self._http = _Bounded(shared, remaining)
        self._retryer = _Retryer(attempts, remaining)
        key_id, secret, token = credentials
        self._client = sdk.Client(
            sdk.Config(
                region=location.region,
                endpoint=location.url,
                credentials_provider=sdk.credentials.StaticCredentialsProvider(
                    key_id, secret, token or None
                ),
                http_client=self._http,
                retryer=self._retryer,
                user_agent="fcplug-thumbnail",
            )
        )

    def read(self, item: ObjectEvent, max_bytes: int) -> Source | None:
        """Return an object; None if it is marked as a thumbnail.

        A body that breaks is continued where it broke. The whole is checked against OSS's checksum.

        Raises:
            BadImage: it is larger than ``max_bytes``; then no more than that is read.
            BadKey: no object can have this bucket or key.
            StorageError: see ``errors``.
        """
        item.check_bucket()
        item.check_key()
        attempt = Attempt("read", item, self._location, self._secrets)
        begun = self._http.sent
        try:
            data = _Download(self._client, item, max_bytes).run(self._retryer, self._remaining)
        except (sdk.exceptions.BaseError, OutOfTime, Unreadable) as error:
            reason = explained(error, attempt, self._http.sent - begun)
        else:
            return None if data is None else Source(data, lambda *made: self._put(item, *made))
        raise reason

    def _put(self, item: ObjectEvent, ending: str, made: Encoded) -> None:
        target = item._replace(key=item.key + ending)
        target.check_key()
        attempt = Attempt("write", target, self._location, self._secrets)
        begun = self._http.sent
        request = sdk.PutObjectRequest(
            bucket=target.bucket,
            key=target.key,
            body=made.data,
            content_type=TYPES[made.extension],
            metadata={MARK: quote(item.key)},
        )
        try:
            self._client.put_object(request)
        except (sdk.exceptions.BaseError, OutOfTime) as error:
            reason = explained(error, attempt, self._http.sent - begun)
        else:
            return
        raise reason


class _Download:
    """One object on its way into memory."""

    def __init__(self, client: Any, item: ObjectEvent, max_bytes: int) -> None:
        self._client = client
        self._item = item
        self._max = max_bytes
        self._held = BytesIO()
        self._tag: str | None = None
        self._encoded = False

    def run(self, retryer: _Retryer, remaining: Callable[[], float]) -> bytes | None:
        """Return the bytes, None if the object is marked as a thumbnail."""
        for attempt in range(1, retryer.max_attempts() + 1):
            try:
                if self._continue(remaining):
                    return self._held.getvalue()  # no copy: of what was written at its end
                return None
            except sdk.exceptions.OperationError as error:
                if not self._tag or service_code(error) != _KNOWN_ONCE_GONE:
                    raise
                self._restart()
            except (OSError, Unreadable):  # all errors of requests are OSErrors
                if attempt == retryer.max_attempts():
                    raise Unreadable from None
                if self._encoded:  # ranges count the bytes before they are unpacked
                    self._restart()
                time.sleep(retryer.retry_delay(attempt, None))
        raise Unreadable

    def _continue(self, remaining: Callable[[], float]) -> bool:
        """Read the rest; return False if the object is marked as a thumbnail."""
        begin = self._held.tell()
        result = self._client.get_object(
            sdk.GetObjectRequest(
                bucket=self._item.bucket,
                key=self._item.key,
                if_match=self._tag,
                range_header=f"bytes={begin}-" if begin else None,
                range_behavior="standard" if begin else None,
            )
        )
        with result.body as body:
            if MARK in (result.metadata or {}):
                return False
            if begin and result.status_code != 206:
                self._restart()
            self._encoded = bool(result.content_encoding)
            self._check_size(self._held.tell() + (result.content_length or 0))
            self._tag = result.etag
            for block in body.iter_bytes(block_size=_BLOCK):
                self._check_size(self._held.tell() + len(block))
                self._held.write(block)
                if remaining() <= 0:
                    raise OutOfTime
        self._check_sum(result)
        return True

    def _check_size(self, size: int) -> None:
        if size > self._max:
            raise BadImage(self._item.url, size, f"too large: max_bytes allows {self._max}")

    def _check_sum(self, result: Any) -> None:
        if self._encoded or not result.hash_crc64:
            return
        found = crc.Crc64(0)
        found.update(self._held.getbuffer())
        if str(found.sum64()) != result.hash_crc64:
            self._restart()
            raise Unreadable

    def _restart(self) -> None:
        self._held = BytesIO()
        self._tag = None
