"""Signatures that are missing, of unknown keys, or of another request."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

import pytest

from fcplug.platform.answers import ApiError
from fcplug.platform.signatures import SignedRequest, verify

KEYS = {"an-id": "its secret"}
HASH = "x-acs-content-sha256"


def acs3(body: bytes = b"event", **changed: str) -> SignedRequest:
    """Return a request signed as the SDKs of FC 3.0 do; ``changed`` is put in place afterwards."""
    headers = {"host": "127.0.0.1:1", HASH: hashlib.sha256(b"event").hexdigest()}
    names = f"host;{HASH}"
    signed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/a%20b\nq=a%20b%2Fc\n{signed}\n{names}\n{headers[HASH]}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(b"its secret", text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential=an-id,SignedHeaders={names},Signature={signature}"
    )
    values = {"method": "POST", "path": "/a%20b", "query": "q=a+b%2Fc", **changed}
    headers["host"] = values.pop("host", headers["host"])
    return SignedRequest(values["method"], values["path"], values["query"], headers, body)


def classic(path: str = "/2016-08-15/proxy/a%20b", query: str = "y=2&x=1") -> SignedRequest:
    text = "POST\n\ntext/plain\nnow\nx-fc-a:1\n/2016-08-15/proxy/a b\nx=1\ny=2"
    made = hmac.new(b"its secret", text.encode(), hashlib.sha256).digest()
    headers = {
        "content-type": "text/plain",
        "date": "now",
        "x-fc-a": "1",
        "authorization": f"FC an-id:{base64.b64encode(made).decode()}",
    }
    return SignedRequest("POST", path, query, headers, b"")


@pytest.mark.parametrize("request_", [acs3(), classic()])
def test_a_right_signature_is_accepted(request_: SignedRequest) -> None:
    verify(request_, KEYS)


@pytest.mark.parametrize(
    "request_",
    [
        acs3(b"another"),
        acs3(path="/other"),
        acs3(query="q=2"),
        acs3(method="PUT"),
        acs3(host="elsewhere"),
        classic(path="/2016-08-15/proxy/other"),
        classic(query="x=2&y=2"),
    ],
)
def test_a_signature_of_another_request_is_refused(request_: SignedRequest) -> None:
    with pytest.raises(ApiError) as caught:
        verify(request_, KEYS)
    assert (caught.value.status, caught.value.code) == (403, "SignatureNotMatch")


@pytest.mark.parametrize("request_", [acs3(), classic()])
def test_an_unknown_key_is_refused_and_not_shown(request_: SignedRequest) -> None:
    with pytest.raises(ApiError) as caught:
        verify(request_, {"other": "secret"})
    assert (caught.value.status, caught.value.code) == (403, "InvalidAccessKeyID")
    assert "an-id" not in str(caught.value)


ODD = ["Bearer x", "FC", "FC an-id", "ACS3-HMAC-SHA256 x", "ACS3-HMAC-SHA256 Credential=an-id"]
UNSIGNED_BODY = "ACS3-HMAC-SHA256 Credential=an-id,SignedHeaders=host,Signature=0"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingRequiredHeader"),
        *(({"authorization": text}, "SignatureNotMatch") for text in (ODD[0], *ODD[3:])),
        ({"authorization": UNSIGNED_BODY}, "SignatureNotMatch"),
        *(({"authorization": text}, "InvalidAccessKeyID") for text in ODD[1:3]),
    ],
)
def test_a_missing_or_malformed_signature_is_refused(headers: Mapping[str, str], code: str) -> None:
    with pytest.raises(ApiError) as caught:
        verify(SignedRequest("POST", "/", "", headers, b""), KEYS)
    assert caught.value.code == code
