"""The signatures of requests to FC's API: ACS3 of the newer SDKs, and the classic one of FC 2.0."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from fcplug import protocol
from fcplug.platform.answers import ApiError

AUTHORIZATION = "authorization"
_ACS3 = "ACS3-HMAC-SHA256"
_CLASSIC = "FC"
_CONTENT_HASH = "x-acs-content-sha256"


class SignedRequest(msgspec.Struct, frozen=True):
    """What a signature is made of. ``path`` and ``query`` are as they came, not decoded.

    ``headers`` have lower-case names.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def is_signed(headers: Mapping[str, str]) -> bool:
    """Return whether a request carries a signature of FC; an application has schemes of its own."""
    return headers.get(AUTHORIZATION, "").partition(" ")[0] in (_ACS3, _CLASSIC)


def verify(request: SignedRequest, keys: Mapping[str, str]) -> None:
    """Check the signature of a request with the secrets by access key id.

    Raises:
        ApiError: it has none, its key is unknown, or it does not match.
    """
    text = request.headers.get(AUTHORIZATION, "")
    if not text:
        raise ApiError(
            400, "MissingRequiredHeader", "required HTTP header Authorization was not specified"
        )
    scheme, _, rest = text.partition(" ")
    if scheme == _ACS3:
        _verify_acs3(request, rest, keys)
    elif scheme == _CLASSIC:
        _verify_classic(request, rest, keys)
    else:
        raise _mismatch(f"the Authorization header begins neither with {_ACS3} nor {_CLASSIC}")


def _verify_acs3(request: SignedRequest, rest: str, keys: Mapping[str, str]) -> None:
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if not {"Credential", "SignedHeaders", "Signature"} <= parts.keys():
        raise _mismatch("Authorization needs Credential, SignedHeaders and Signature")
    names = parts["SignedHeaders"].split(";")
    if not {_CONTENT_HASH, "host"} <= set(names):
        raise _mismatch(f"SignedHeaders must name host and {_CONTENT_HASH}")
    if request.headers.get(_CONTENT_HASH) != hashlib.sha256(request.body).hexdigest():
        raise _mismatch(f"{_CONTENT_HASH} is not the hash of the body")
    text = f"{_ACS3}\n{hashlib.sha256(_canonical(request, names).encode()).hexdigest()}"
    expected = hmac.new(_secret(keys, parts["Credential"]), text.encode(), hashlib.sha256)
    _compare(expected.hexdigest(), parts["Signature"])


def _canonical(request: SignedRequest, names: Sequence[str]) -> str:
    """Return the request as ACS3 signs it, with the headers that ``SignedHeaders`` names.

    The query is signed in another encoding than it is sent in: it is decoded, and encoded again.
    """
    pairs = parse_qsl(request.query, keep_blank_values=True)
    query = "&".join(
        f"{name}={value}" for name, value in sorted((_encode(k), _encode(v)) for k, v in pairs)
    )
    fields = [f"{name}:{request.headers.get(name, '').strip()}\n" for name in names]
    signed = [request.method, request.path, query, "".join(fields), ";".join(names)]
    return "\n".join([*signed, request.headers.get(_CONTENT_HASH, "")])


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def sign(request: SignedRequest, key_id: str, secret: str) -> str:
    """Return the Authorization header of a request, in the classic scheme."""
    return f"{_CLASSIC} {key_id}:{_classic(request, secret.encode())}"


def _verify_classic(request: SignedRequest, rest: str, keys: Mapping[str, str]) -> None:
    key_id, _, signature = rest.rpartition(":")
    _compare(_classic(request, _secret(keys, key_id)), signature)


def _classic(request: SignedRequest, secret: bytes) -> str:
    headers = request.headers
    own = sorted(name for name in headers if name.startswith(protocol.PREFIX))
    path = unquote(request.path)
    resource = path
    if path.startswith(protocol.PROXY_PATH):  # only web requests sign their query
        pairs = parse_qsl(request.query, keep_blank_values=True)
        resource += "\n" + "\n".join(sorted(f"{name}={value}" for name, value in pairs))
    text = "\n".join(
        [
            request.method,
            *(headers.get(name, "") for name in ("content-md5", "content-type", "date")),
            *(f"{name}:{headers[name]}" for name in own),
            resource,
        ]
    )
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()


def _secret(keys: Mapping[str, str], key_id: str) -> bytes:
    if key_id not in keys:
        raise ApiError(
            403, "InvalidAccessKeyID", "the access key id is not one of the platform's keys"
        )
    return keys[key_id].encode()


def _compare(expected: str, signature: str) -> None:
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise _mismatch(
            "the signature of the request does not match: check the access key secret, and that "
            "nothing between client and platform changes the request"
        )


def _mismatch(what: str) -> ApiError:
    return ApiError(403, "SignatureNotMatch", what)
