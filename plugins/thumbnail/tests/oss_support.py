"""What the tests of OSS share: pictures, events, and contexts of calls with credentials."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from fcplug import Context

if TYPE_CHECKING:
    from local_oss import Account


def picture(width: int = 400, height: int = 300, to: str = "JPEG", noise: int = 60) -> bytes:
    """Return an image, whose bytes are many with noise."""
    out = BytesIO()
    Image.effect_noise((width, height), noise).convert("RGB").save(out, to)
    return out.getvalue()


def event(*keys: str, bucket: str = "photos", name: str = "ObjectCreated:PutObject") -> bytes:
    """Return the event of an OSS trigger."""
    records = [
        {
            "eventName": name,
            "eventTime": "2026-04-21T12:46:37.000Z",
            "oss": {"bucket": {"name": bucket}, "object": {"key": key}},
            "region": "cn-shanghai",
        }
        for key in keys
    ]
    return json.dumps({"events": records}).encode()


def context(account: Account | None, **headers: str) -> Context:
    """Return the context of a call with an account's credentials."""
    sent = {"x-fc-region": "cn-hangzhou"}
    if account is not None:
        sent["x-fc-access-key-id"] = account.key_id
        sent["x-fc-access-key-secret"] = account.secret
        sent["x-fc-security-token"] = account.token
    return Context.from_headers({**sent, **headers}, {})
