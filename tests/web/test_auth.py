"""Authentication outside of FC: tokens and signatures; on FC nothing is checked."""

import hashlib
import hmac
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fcplug.web.auth import WINDOW, Message, Signature, Token, sign
from fcplug.web.replay import ReplayMemory
from support.deployed import ROOT, Answer, Instance, deploy, start
from support.waiting import wait_until

TOKEN = "a-token-of-some-length"
KEY = "a-key-of-some-length-too"
OLD_KEY = "the-key-before-that-one"
FIELDS = {
    "x-fc-control-path": "/invoke",
    "x-fc-function-name": "hello",
    "x-fc-function-handler": "index.handler",
    "x-fc-qualifier": "LATEST",
    "x-fc-request-id": "1-2-3",
    "x-fc-access-key-id": "id",
    "x-fc-function": "sorted after the names that begin with it",
}
MESSAGE = Message("POST", "/invoke?a=1", FIELDS, b"event")
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
def test_a_wrong_token_is_rejected(sent: str) -> None:
    assert "no valid token" in Token([TOKEN]).reason_to_reject(sent)


def test_each_token_is_accepted() -> None:
    gate = Token(["another-token-altogether", TOKEN])
    assert gate.reason_to_reject(f"Bearer {TOKEN}") == ""


@pytest.fixture
def memory(tmp_path: Path) -> ReplayMemory:
    return ReplayMemory(str(tmp_path / "memory"), WINDOW)


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
@pytest.mark.parametrize("off", [0, 5 - WINDOW, WINDOW - 5])
def test_a_signature_by_any_key_is_accepted_once(key: str, off: int, memory: ReplayMemory) -> None:
    gate = Signature([KEY, OLD_KEY], memory)
    signed = sign(key, now() + off, MESSAGE)
    assert gate.reason_to_reject(signed, MESSAGE) == ""
    assert gate.reason_to_reject(signed, MESSAGE) == "the signature was used before"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"target": "/invoke?a=2"},
        {"target": "/pre-stop"},
        {"body": b"other"},
        *({"headers": {**FIELDS, name: "other"}} for name in FIELDS),
        *({"headers": {n: v for n, v in FIELDS.items() if n != name}} for name in FIELDS),
        {"headers": {**FIELDS, "x-fc-function-timeout": "1"}},
    ],
    ids=str,
)
def test_a_signature_covers_everything_that_decides(
    change: dict[str, Any], memory: ReplayMemory
) -> None:
    signed = sign(KEY, now(), MESSAGE)
    gate = Signature([KEY], memory)
    refusal = gate.reason_to_reject(signed, MESSAGE._replace(**change))
    assert refusal == "the signature does not match this request"
    assert gate.reason_to_reject(signed, MESSAGE) == ""


def test_what_a_header_says_does_not_depend_on_how_it_is_written(memory: ReplayMemory) -> None:
    written = {name.title(): f" {value}" for name, value in reversed(FIELDS.items())}
    more = {**written, "X-Fc-Client-Ip": "", "Cookie": "a=1"}
    signed = sign(KEY, now(), MESSAGE)
    assert Signature([KEY], memory).reason_to_reject(signed, MESSAGE._replace(headers=more)) == ""


def test_the_documented_signature_is_the_one_that_counts(memory: ReplayMemory) -> None:
    moment = now()
    lines = [
        "fcplug-v2",
        str(moment),
        "POST",
        "/invoke?a=1",
        *sorted(f"{name}:{value}" for name, value in FIELDS.items()),
        hashlib.sha256(b"event").hexdigest(),
    ]
    mac = hmac.new(KEY.encode(), "\n".join(lines).encode(), "sha256").hexdigest()
    assert sign(KEY, moment, MESSAGE) == f"t={moment},v2={mac}"


def test_the_function_of_the_page_signs_what_is_accepted(memory: ReplayMemory) -> None:
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    more = {**FIELDS, "X-Fc-Region": "", "Cookie": "a=1"}
    signature = names["sign"](KEY, "POST", "/invoke?a=1", more, b"event")
    assert Signature([KEY], memory).reason_to_reject(signature, MESSAGE) == ""


@pytest.mark.parametrize("off", [-WINDOW - 5, WINDOW + 5])
def test_a_signature_with_another_time_is_rejected(off: int, memory: ReplayMemory) -> None:
    signed = sign(KEY, now() + off, MESSAGE)
    refusal = Signature([KEY], memory).reason_to_reject(signed, MESSAGE)
    assert "differs by more than 300 seconds" in refusal


@pytest.mark.parametrize("sent", ["", "t=1", "v2=00", f"t=1,v2={'g' * 64}", f"t=-1,v2={'0' * 64}"])
def test_a_malformed_signature_is_rejected(sent: str, memory: ReplayMemory) -> None:
    assert Signature([KEY], memory).reason_to_reject(sent, MESSAGE) == "the request is not signed"


def test_a_signature_of_version_1_is_rejected_by_name(memory: ReplayMemory) -> None:
    refusal = Signature([KEY], memory).reason_to_reject(f"t={now()},v1={'0' * 64}", MESSAGE)
    assert "has version 1" in refusal


def test_signed_requests_are_rejected_if_signatures_cannot_be_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "memory").touch()
    gate = Signature([KEY], ReplayMemory(str(tmp_path / "memory"), WINDOW))
    assert "used signatures cannot be stored" in caplog.text
    refusal = gate.reason_to_reject(sign(KEY, now(), MESSAGE), MESSAGE)
    assert refusal == "signatures cannot be checked at the moment"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Instance]:
    config = CONFIG % f"auth: {{tokens: [{TOKEN}]}}, trust_callers: true"
    with start(deploy(tmp_path, config, CODE)) as instance:
        yield instance


def call(instance: Instance, path: str = "/invoke", **headers: str) -> Answer:
    method = "GET" if path.startswith("/pre") or path == "/health" else "POST"
    return instance.call(method, path, b"", {"x-fc-function-name": "who", **KEYS, **headers})


@pytest.mark.parametrize("path", ["/invoke", "/initialize", "/pre-freeze", "/pre-stop", "/other"])
def test_every_phase_requires_the_token(guarded: Instance, path: str) -> None:
    refused = call(guarded, path)
    assert (refused.status, refused.headers["x-fc-status"]) == (401, "404")
    assert b'"errorType": "Unauthorized"' in refused.body
    assert call(guarded, path, Authorization=f"Bearer {TOKEN}").status in (200, 404)
    assert call(guarded, "/health").status == 200
    assert not any(value in guarded.log for value in (TOKEN, *KEYS.values()))


def test_callers_that_are_trusted_may_send_credentials(guarded: Instance) -> None:
    answer = call(guarded, Authorization=f"Bearer {TOKEN}")
    assert answer.body == b"secret-of-the-caller"
    assert "open to everybody" not in guarded.log


HOOKED = """\
import os
def handle(event, context): return str(os.getpid())
def initialize(context): print("initialize ran")
def pre_freeze(context): print("pre_freeze ran")
def pre_stop(context): print("pre_stop ran")
def other(event, context): return "other"
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"page"]
"""
HOOKED_CONFIG = """\
version: 1
runtime: {%s}
functions:
  who: {handler: who.handle, wsgi: who.app, initializer: who.initialize, pre_freeze: who.pre_freeze,
        pre_stop: who.pre_stop}
  other: {handler: who.other}
default: who
"""
LIFECYCLE = [
    ("POST", "/initialize", ""),
    ("GET", "/pre-freeze", ""),
    ("GET", "/pre-stop", ""),
    ("GET", "/page", "/initialize"),
    ("POST", "/invoke", "/pre-freeze"),
    ("GET", "/page", "/pre-stop"),
]


@pytest.mark.parametrize("auth", ["threads: 2", AUTH])
def test_outside_fc_callers_reach_only_invoke_and_web_requests(tmp_path: Path, auth: str) -> None:
    code = deploy(tmp_path, HOOKED_CONFIG % auth, {"who.py": HOOKED})
    shown = {"Authorization": f"Bearer {TOKEN}"}
    with start(code) as instance:
        assert instance.call("GET", "/page", headers=shown).body == b"page"
        assert instance.call("POST", "/invoke", b"", shown).status == 200
        before = len(instance.log)
        for method, path, control in LIFECYCLE:
            answer = instance.call(method, path, headers={**shown, "x-fc-control-path": control})
            document = json.loads(answer.body)
            assert (answer.status, document["errorType"]) == (403, "Forbidden")
            assert "runtime.trust_callers: true" in document["errorMessage"]
        assert " ran" not in instance.log[before:]
        for method, path in [("GET", "/pre-stop"), ("POST", "/initialize")]:
            sent = {**shown, "x-fc-control-path": "/http-invoke"}
            assert instance.call(method, path, headers=sent).body == b"page"


@pytest.mark.parametrize(
    ("runtime", "environ"),
    [("trust_callers: true", {}), ("threads: 2", {"FC_FUNCTION_NAME": "who"})],
    ids=["trusted", "on FC"],
)
def test_the_platform_and_trusted_callers_run_lifecycle_hooks(
    tmp_path: Path, runtime: str, environ: dict[str, str]
) -> None:
    code = deploy(tmp_path, HOOKED_CONFIG % runtime, {"who.py": HOOKED})
    with start(code, environ=environ) as instance:
        assert [instance.call(*asked[:2]).status for asked in LIFECYCLE[:3]] == [200] * 3
        for hook in ("initialize", "pre_freeze", "pre_stop"):
            assert f"{hook} ran" in instance.log


def signature(method: str, target: str, body: bytes = b"", **fields: str) -> dict[str, str]:
    """Return the headers of a signed request, the signature beside them."""
    headers = {f"x-fc-{name.replace('_', '-')}": value for name, value in fields.items()}
    return {
        **headers,
        "x-fcplug-signature": sign(KEY, now(), Message(method, target, headers, body)),
    }


def test_a_signed_request_cannot_be_changed_to_another(tmp_path: Path) -> None:
    config = HOOKED_CONFIG % f"auth: {{keys: [{KEY}]}}, trust_callers: true"
    code = deploy(tmp_path, config, {"who.py": HOOKED})
    with start(code, environ={"TMPDIR": str(tmp_path)}) as instance:
        for change in (
            {"x-fc-control-path": "/pre-stop"},
            {"x-fc-function-handler": "other"},
            {"x-fc-function-name": "other"},
            {"x-fc-qualifier": "canary"},
            {"x-fc-request-id": "another"},
            {"x-fc-access-key-id": "another"},
        ):
            sent = signature("GET", "/page?a=1")
            assert instance.call("GET", "/page?a=1", headers={**sent, **change}).status == 401
            assert instance.call("GET", "/page?a=2", headers=sent).status == 401
            assert instance.call("POST", "/page?a=1", headers=sent).status == 401
            sent = signature("GET", "/page?a=1", request_id=f"r-{change}".replace(" ", ""))
            assert instance.call("GET", "/page?a=1", headers=sent).body == b"page"
        assert "pre_stop ran" not in instance.log


def invoke_signed(instance: Instance, sent: dict[str, str]) -> int:
    return instance.call("POST", "/invoke", b"event", sent).status


def test_a_signature_counts_once_in_all_processes_and_after_restarts(tmp_path: Path) -> None:
    config = HOOKED_CONFIG % f"auth: {{keys: [{KEY}]}}, processes: 2"
    code = deploy(tmp_path, config, {"who.py": HOOKED})

    def once(number: int) -> dict[str, str]:
        return signature("POST", "/invoke", b"event", request_id=f"r-{number}")

    sent = [once(number) for number in range(10)]
    with start(code, environ={"TMPDIR": str(tmp_path)}) as instance:
        with ThreadPoolExecutor(8) as threads:
            for each in sent:
                statuses = [*threads.map(invoke_signed, [instance] * 8, [each] * 8)]
                assert sorted(statuses) == [200, *[401] * 7]
        pid = int(instance.call("POST", "/invoke", b"event", once(10)).body)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists())
        assert {invoke_signed(instance, each) for each in sent for _ in range(4)} == {401}
        assert instance.stop() == 0
    with start(code, environ={"TMPDIR": str(tmp_path)}) as instance:
        assert {invoke_signed(instance, each) for each in sent for _ in range(4)} == {401}
        assert invoke_signed(instance, once(11)) == 200


@pytest.mark.parametrize(
    ("runtime", "environ", "secret", "warned"),
    [
        ("threads: 2", {}, b"", True),
        ("trust_callers: true", {}, b"secret-of-the-caller", True),
        ("threads: 2", {"FC_FUNCTION_NAME": "who"}, b"secret-of-the-caller", False),
        (
            AUTH,
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
        assert ("auth is not asked for" in instance.log) == (runtime == AUTH)
    with start(deploy(tmp_path, CONFIG % runtime, CODE), "--host", "127.0.0.1") as instance:
        assert "open to everybody" not in instance.log
