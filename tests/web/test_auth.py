"""Who may call outside FC: tokens, signatures, and what is asked of nobody on FC."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcplug.web.auth import WINDOW, Request, Signature, Token, sign
from support.deployed import Answer, Instance, deploy, start

TOKEN = "a-token-of-some-length"
KEY = "a-key-of-some-length-too"
OLD_KEY = "the-key-before-that-one"
REQUEST = Request("", "", "POST", "/invoke", "hello", b"event")
CODE = {"who.py": "def handle(event, context): return context.credentials.access_key_secret\n"}
CONFIG = "version: 1\nruntime: {%s}\nfunctions:\n  who: {handler: who.handle}\n"
AUTH = f"auth: {{tokens: [{TOKEN}]}}"
KEYS = {
    "x-fc-access-key-id": "id-of-the-caller",
    "x-fc-access-key-secret": "secret-of-the-caller",
    "x-fc-security-token": "token-of-the-caller",
}


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize(
    "sent", ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer x", f"Bearer {TOKEN}x", "Bearer \xff"]
)
def test_a_wrong_token_is_refused(sent: str) -> None:
    assert "no valid token" in Token([TOKEN]).refusal(REQUEST._replace(authorization=sent))


def test_each_of_the_tokens_lets_in() -> None:
    gate = Token(["another-token-altogether", TOKEN])
    assert gate.refusal(REQUEST._replace(authorization=f"Bearer {TOKEN}")) == ""


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
@pytest.mark.parametrize("off", [0, 5 - WINDOW, WINDOW - 5])
def test_a_signature_by_one_of_the_keys_lets_in_once(key: str, off: int) -> None:
    gate = Signature([KEY, OLD_KEY])
    signed = REQUEST._replace(signature=sign(key, now() + off, REQUEST))
    assert gate.refusal(signed) == ""
    assert gate.refusal(signed) == "the signature was used before"


@pytest.mark.parametrize(
    "change",
    [{"method": "GET"}, {"path": "/pre-stop"}, {"function": "other"}, {"body": b"other"}],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_covers_the_whole_request(change: dict[str, object]) -> None:
    signed = REQUEST._replace(signature=sign(KEY, now(), REQUEST))
    refusal = Signature([KEY]).refusal(signed._replace(**change))  # type: ignore[arg-type]
    assert refusal == "the signature is not that of this request"


@pytest.mark.parametrize("off", [-WINDOW - 5, WINDOW + 5])
def test_a_signature_of_another_time_is_refused(off: int) -> None:
    signed = REQUEST._replace(signature=sign(KEY, now() + off, REQUEST))
    assert "more than 300 seconds off" in Signature([KEY]).refusal(signed)


@pytest.mark.parametrize("sent", ["", "t=1", "v1=00", f"t=1,v1={'g' * 64}", f"t=-1,v1={'0' * 64}"])
def test_what_is_no_signature_is_refused(sent: str) -> None:
    assert Signature([KEY]).refusal(REQUEST._replace(signature=sent)) == "the request is not signed"


def test_a_flood_of_signatures_is_refused_until_some_have_expired() -> None:
    gate = Signature([KEY], most_seen=2)

    def refusal(body: bytes, moment: int) -> str:
        request = REQUEST._replace(body=body)
        return gate.refusal(request._replace(signature=sign(KEY, moment, request)))

    soon_over = now() - WINDOW + 3
    assert [refusal(b"1", soon_over), refusal(b"2", soon_over)] == ["", ""]
    assert refusal(b"3", now()) == "the signature was used before"
    time.sleep(max(0.0, soon_over + WINDOW + 0.1 - time.time()))
    assert refusal(b"4", now()) == ""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Instance]:
    config = CONFIG % f"auth: {{tokens: [{TOKEN}]}}"
    with start(deploy(tmp_path, config, CODE)) as instance:
        yield instance


def call(instance: Instance, path: str = "/invoke", **headers: str) -> Answer:
    method = "GET" if path.startswith("/pre") or path == "/health" else "POST"
    return instance.call(method, path, b"", {"x-fc-function-name": "who", **KEYS, **headers})


@pytest.mark.parametrize("path", ["/invoke", "/initialize", "/pre-freeze", "/pre-stop", "/other"])
def test_every_phase_asks_for_the_token(guarded: Instance, path: str) -> None:
    refused = call(guarded, path)
    assert (refused.status, refused.headers["x-fc-status"]) == (401, "404")
    assert b'"errorType": "Unauthorized"' in refused.body
    assert call(guarded, path, Authorization=f"Bearer {TOKEN}").status in (200, 404)
    assert call(guarded, "/health").status == 200
    assert not any(value in guarded.log for value in (TOKEN, *KEYS.values()))


def test_whoever_shows_the_token_is_trusted_with_credentials(guarded: Instance) -> None:
    answer = call(guarded, Authorization=f"Bearer {TOKEN}")
    assert answer.body == b"secret-of-the-caller"
    assert "open to everybody" not in guarded.log


def test_a_signed_request_is_answered(tmp_path: Path) -> None:
    config = CONFIG % f"auth: {{keys: [{KEY}]}}"
    with start(deploy(tmp_path, config, CODE)) as instance:
        request = Request("", "", "POST", "/invoke", "who", b"")
        signature = {"x-fcplug-signature": sign(KEY, now(), request)}
        assert call(instance, **signature).status == 200
        assert call(instance, **signature).status == 401


@pytest.mark.parametrize(
    ("runtime", "environ", "secret", "warned"),
    [
        ("threads: 2", {}, b"", True),
        ("trust_credentials: true", {}, b"secret-of-the-caller", True),
        ("threads: 2", {"FC_FUNCTION_NAME": "who"}, b"secret-of-the-caller", False),
        (
            f"auth: {{tokens: [{TOKEN}]}}",
            {"FC_FUNCTION_NAME": "who"},
            b"secret-of-the-caller",
            False,
        ),
    ],
    ids=["outside FC", "outside FC but trusted", "on FC", "on FC in spite of auth"],
)
def test_credentials_in_headers_count_on_fc_and_where_they_are_trusted(
    tmp_path: Path, runtime: str, environ: dict[str, str], secret: bytes, warned: bool
) -> None:
    with start(deploy(tmp_path, CONFIG % runtime, CODE), environ=environ) as instance:
        assert call(instance).body == secret
        assert ("open to everybody who reaches this port" in instance.log) == warned
    with start(deploy(tmp_path, CONFIG % runtime, CODE), "--host", "127.0.0.1") as instance:
        assert "open to everybody" not in instance.log
