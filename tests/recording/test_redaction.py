"""What is removed from recordings, and what stays as it was."""

import base64
import json

import pytest

from fcplug.recording.record import Answer, Record, Request, body_of
from fcplug.recording.redaction import REMOVED, is_secret, redact

EMPTY, NOTHING = Request(), Answer()


def record(request: Request = EMPTY, answer: Answer = NOTHING) -> Record:
    return Record(version=1, at="2026-11-27T07:00:00.000Z", function="f", request=request,
                  answer=answer)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "x-acs-security-token", "accessKeyId",
        "access_key_secret", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "x-fc-access-key-id", "password",
        "DB_PASSWORD", "clientSecret", "Signature", "OSSAccessKeyId", "x-oss-signature", "apiKey",
        "x-api-key", "token", "refresh_token", "x-oss-credential",
    ],
)  # fmt: skip
def test_these_names_are_of_credentials(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["nextToken", "signatureNonce", "author", "key", "user", "secretary", "tokens", "id"]
)
def test_these_names_are_not(name: str) -> None:
    assert not is_secret(name)


def test_headers_lose_credentials_and_cookies_only_their_values() -> None:
    sent = Request("GET", "/", [("Cookie", "a=1; b=2"), ("AUTHORIZATION", "Bearer x"), ("a", "b")])
    got = Answer(headers=[("Set-Cookie", "sid=x=y; Path=/; HttpOnly")])
    found = redact(record(sent, got))
    assert found.request.headers == (
        ("Cookie", f"a={REMOVED}; b={REMOVED}"), ("AUTHORIZATION", REMOVED), ("a", "b"),
    )  # fmt: skip
    assert found.answer.headers == (("Set-Cookie", f"sid={REMOVED}; Path=/; HttpOnly"),)
    assert found.removed == (
        "request header cookie", "request header authorization", "answer header set-cookie",
    )  # fmt: skip


def test_json_loses_members_by_name_at_any_depth_and_in_texts_that_are_json() -> None:
    inner = json.dumps({"password": "one"})
    coded = base64.b64encode(b'{"secret": "two"}').decode()
    event = {
        "a": [{"accessKeyId": "three", "b": 1}],
        "credentials": {"accessKeySecret": "four", "securityToken": "five"},
        "cookies": ["sid=six"],
        "inner": inner,
        "http": {"body": coded, "isBase64Encoded": True},
        "nextToken": "stays",
    }
    found = redact(record(Request(body=json.dumps(event))))
    body = json.loads(found.request.body)
    assert body["a"] == [{"accessKeyId": REMOVED, "b": 1}]
    assert set(body["credentials"].values()) == {REMOVED}
    assert body["cookies"] == [REMOVED]
    assert json.loads(body["inner"]) == {"password": REMOVED}
    assert json.loads(base64.b64decode(body["http"]["body"])) == {"secret": REMOVED}
    assert body["nextToken"] == "stays"
    assert "request body $.a[0].accessKeyId" in found.removed


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("id LTAI5tABCDEFGHIJKLMN!", f"id {REMOVED}!"),
        ("id STS.NTabcdefghijklmnopq", f"id {REMOVED}"),
        ("mysql://root:pw@db/x", f"mysql://{REMOVED}@db/x"),
        ("see https://b.oss.example/k?Expires=1&OSSAccessKeyId=x&Signature=y%3D end",
         f"see https://b.oss.example/k?Expires=1&OSSAccessKeyId={REMOVED}&Signature={REMOVED} end"),
        ("Authorization: Bearer abcdefgh.ijk", f"Authorization: Bearer {REMOVED}"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", REMOVED),
    ],
)  # fmt: skip
def test_texts_lose_what_looks_like_a_credential(text: str, left: str) -> None:
    assert redact(record(Request(body=text))).request.body == left


def test_targets_and_forms_lose_parameters() -> None:
    fields = [("content-type", "application/x-www-form-urlencoded")]
    sent = Request("POST", "/a?x=1&access_token=abc", fields, "password=p&user=ada&token=t")
    found = redact(record(sent)).request
    assert found.target == f"/a?x=1&access_token={REMOVED}"
    assert found.body == f"password={REMOVED}&user=ada&token={REMOVED}"


@pytest.mark.parametrize(
    "content", [b"\x89PNG\xff", b'{"a":  1 ,\n"b": "\xc3\xa9"}', b"", b"[" * 100_000, b"{broken"]
)
def test_what_has_no_credentials_keeps_every_byte(content: bytes) -> None:
    found = redact(record(Request(**body_of(content)), Answer(**body_of(content))))
    assert (found.request.content, found.answer.content) == (content, content)
    assert found.removed == ()
