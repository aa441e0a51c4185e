"""Takes credentials out of recorded requests and answers.

By the name of a header, of a parameter and of a member of JSON; by the form of a text for access
key ids, security tokens, JSON Web Tokens and passwords in URLs. What has neither cannot be seen:
a secret in the middle of a sentence stays.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fcplug.recording.record import Answer, Body, Fields, Record, Request, body_of

REMOVED = "[removed]"

_NAMES = {"auth", "cookies", "credential", "pwd", "token"}
_NAME_ENDS = (
    "accesskey", "accesskeyid", "accesskeysecret", "accesstoken", "apikey", "authorization",
    "authtoken", "bearertoken", "cookie", "credential", "csrftoken", "idtoken", "passphrase",
    "passwd", "password", "privatekey", "refreshtoken", "secret", "secretkey", "securitytoken",
    "sessionid", "sessiontoken", "signature", "ststoken", "xsrftoken",
)  # fmt: skip
_FORMS = re.compile(
    r"\bLTAI[A-Za-z0-9]{12,}"  # access key ids
    r"|\bSTS\.[A-Za-z0-9]{16,}"  # those of temporary credentials
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON Web Tokens
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # name and password of a URL
    r"|(?<=\bBearer )[\w.~+/=-]{8,}"
)
_PARAMETER = re.compile(r"(?<=[?&;])([\w.%-]+)=([^&;\s\"'<>#]+)")
_COOKIE = re.compile(r"((?:^|[;,]) *[^=;,\s]+)=([^;]*)")


def redact(record: Record) -> Record:
    """Return a record without credentials; ``removed`` says where they were."""
    request, asked = of_request(record.request)
    answer, answered = of_answer(record.answer)
    places = [f"request {place}" for place in asked] + [f"answer {place}" for place in answered]
    return msgspec.structs.replace(record, request=request, answer=answer, removed=tuple(places))


def of_request(request: Request) -> tuple[Request, list[str]]:
    """Return a request without credentials, and where they were."""
    removal = _Removal()
    form = any("x-www-form-urlencoded" in value for _, value in request.headers)
    target = removal.text(request.target, "target")
    headers = removal.headers(request.headers)
    body = removal.body(request.content, form=form)
    return Request(request.method, target, headers, **body_of(body)), removal.places


def of_answer(answer: Answer) -> tuple[Answer, list[str]]:
    """Return an answer without credentials, and where they were."""
    removal = _Removal()
    headers, body = removal.headers(answer.headers), removal.body(answer.content)
    changes: Body = {"body": "", "body_base64": "", **body_of(body)}
    message = removal.text(answer.message, "message")
    kept = msgspec.structs.replace(answer, headers=headers, message=message, **changes)
    return kept, removal.places


def is_secret(name: str) -> bool:
    """Return whether what has this name is a credential; case, ``-`` and ``_`` do not count."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in _NAMES or plain.endswith(_NAME_ENDS)


class _Removal:
    """Removes credentials and notes the places."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def headers(self, fields: Fields) -> Fields:
        return tuple((name, self._header(name, value)) for name, value in fields)

    def _header(self, name: str, value: str) -> str:
        lower, place = name.lower(), f"header {name.lower()}"
        if not value:
            return value
        if lower == "cookie":
            return self._noted(_COOKIE.sub(rf"\1={REMOVED}", value), value, place)
        if lower == "set-cookie":  # what follows the first ; describes the cookie
            return self._noted(_COOKIE.sub(rf"\1={REMOVED}", value, count=1), value, place)
        if is_secret(name):
            return self._noted(REMOVED, value, place)
        return self.text(value, place)

    def body(self, content: bytes, *, form: bool = False) -> bytes:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content
        if form:
            return self.text(f"&{text}", "body")[1:].encode()
        return self._document(text, "body").encode()

    def _document(self, text: str, place: str) -> str:
        """Return a text without credentials; if it is JSON, by the names of its members."""
        if text.lstrip()[:1] in ("{", "["):
            before = len(self.places)
            try:
                value = self._value(json.loads(text), f"{place} $")
            except (ValueError, RecursionError):
                del self.places[before:]
                return self.text(text, place)
            if len(self.places) == before:
                return text
            indent = 4 if "\n" in text.strip() else None
            return json.dumps(value, ensure_ascii=False, indent=indent)
        return self.text(text, place)

    def _value(self, value: Any, path: str, *, secret: bool = False) -> Any:
        if isinstance(value, Mapping):
            return self._object(value, path, secret=secret)
        if isinstance(value, list):
            return [
                self._value(each, f"{path}[{number}]", secret=secret)
                for number, each in enumerate(value)
            ]
        if secret and value not in (None, "", True, False):
            return self._noted(REMOVED, value, path)
        return self._document(value, path) if isinstance(value, str) else value

    def _object(self, value: Mapping[str, Any], path: str, *, secret: bool) -> dict[str, Any]:
        found = {
            name: self._value(each, f"{path}.{name}", secret=secret or is_secret(name))
            for name, each in value.items()
        }
        if value.get("isBase64Encoded") is True and isinstance(body := value.get("body"), str):
            try:
                content = base64.b64decode(body, validate=True)
            except ValueError:
                return found
            found["body"] = base64.b64encode(self.body(content)).decode()
        return found

    def text(self, text: str, place: str) -> str:
        """Return a text without parameters that are credentials, and without what looks so."""

        def parameter(match: re.Match[str]) -> str:
            return f"{match[1]}={REMOVED}" if is_secret(match[1]) else match[0]

        found = _FORMS.sub(REMOVED, _PARAMETER.sub(parameter, text))
        return self._noted(found, text, place)

    def _noted(self, after: str, before: object, place: str) -> str:
        if after != before:
            self.places.append(place)
        return after
