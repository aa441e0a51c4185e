"""The connections to OSS of one function, opened by the first call that needs them."""

from __future__ import annotations

import math
import os
import threading
from typing import TYPE_CHECKING, Any

from fcplug_thumbnail.errors import CredentialsRejected, SdkMissing
from fcplug_thumbnail.location import locate

if TYPE_CHECKING:
    from fcplug import Context
    from fcplug_thumbnail.remote import Remote

_INSTANCE = "FC_FUNCTION_NAME"  # set in every instance of FC, and nowhere else
_TO_ANSWER = 0.2  # seconds of a call that are kept for its own error


class Connections:
    """Connections that all calls of a function share, each with its own credentials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: Any = None

    def store(self, context: Context, endpoint: str, region: str, attempts: int) -> Remote:
        """Return the objects that the credentials of a call may use.

        Raises:
            CredentialsRejected: the call has none.
            SdkMissing: the SDK of OSS is not installed.
            WrongRegion: no region is known.
        """
        try:
            # Only here: it takes 200 ms, and who mounts the bucket does not need it.
            from fcplug_thumbnail import remote  # noqa: PLC0415
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("fcplug"):
                raise
            raise SdkMissing(
                "an OSS event needs the package alibabacloud-oss-v2, or the setting mount: "
                "pip install 'fcplug-thumbnail[oss]'"
            ) from error
        keys = context.credentials
        credentials = (keys.access_key_id, keys.access_key_secret, keys.security_token)
        _check(credentials)
        on_fc = bool(os.environ.get(_INSTANCE))
        location = locate(endpoint, region, context.region, on_fc=on_fc)
        with self._lock:
            if self._shared is None:
                self._shared = remote.connect()

        def remaining() -> float:
            left = context.remaining_time()
            return left if left == math.inf else left - _TO_ANSWER

        return remote.Remote(self._shared, location, credentials, remaining, attempts)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        with self._lock:
            shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()


def _check(credentials: tuple[str, str, str]) -> None:
    key_id, secret, token = credentials
    if not (key_id and secret):
        raise CredentialsRejected(
            "the call has no credentials: give the function a role that may read and write the "
            "bucket; elsewhere set ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET "
            "and, for temporary ones, ALIBABA_CLOUD_SECURITY_TOKEN"
        )
    text = key_id + secret + token
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise CredentialsRejected(
            "the credentials of the call have a character that no header can hold, such as a line "
            "break at the end: set them again"
        )
