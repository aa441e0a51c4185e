"""The headers and variables that a runtime gets from the platform."""

import re
from pathlib import Path

import pytest

from fcplug.platform import environment, headers
from fcplug.platform.model import Call, FunctionConfig
from fcplug.protocol import Phase

THREE = FunctionConfig(name="f", folder=Path("/code"), timeout=3)
TWO = FunctionConfig(name="f", folder=Path("/code"), service="s", headers="2.0", initializer=True)
EMPTY_IN_3 = {
    *("access-key-id", "access-key-secret", "security-token", "version-id", "service-name"),
    *("service-logproject", "service-logstore", "client-ip", "api-server-ip"),
    *("eagleeye-rpcid", "eagleeye-traceid", "eagleeye-userdata", "tracing-jaeger-endpoint"),
    *("tracing-opentracing-span-context", "tracing-opentracing-span-baggages"),
}


def test_fc_3_sends_headers_that_are_present_but_empty() -> None:  # item 95
    call = Call(function="f", request_id="1-a", method="GET", target="/get?a=1")
    sent = dict(headers.of_platform(THREE, call, Phase.WEB))
    assert {name for name, value in sent.items() if not value} == {f"x-fc-{n}" for n in EMPTY_IN_3}
    assert sent["x-fc-base-path"] == "/get"
    assert sent["x-fc-control-path"] == "/http-invoke"
    assert (sent["x-fc-function-timeout"], sent["x-fc-retry-count"]) == ("3", "0")
    assert "x-fc-function-initializer" not in sent
    assert "x-fc-initialization-timeout" not in sent


def test_fc_2_sends_the_documented_headers() -> None:  # item 95
    sent = dict(headers.of_platform(TWO, Call(function="f", request_id="r"), Phase.INVOKE))
    assert sent["x-fc-service-name"] == "s"
    assert sent["x-fc-initialization-timeout"] == "3"
    assert sent["x-fc-function-initializer"] == "index.handler"
    assert sent["x-fc-instance-lifecycle-pre-stop-handler"] == ""
    assert "x-fc-base-path" not in sent
    assert "x-fc-retry-count" not in sent


@pytest.mark.parametrize("name", ["X-Fc-Anything", "x-fc-anything", "Connection", "keep-alive"])
def test_a_client_cannot_send_what_is_fcs(name: str) -> None:  # item 96
    kept = [("Accept", "*/*"), ("X-My", "1"), ("x-my", "2")]
    assert headers.passed_on([*kept, (name, "x")]) == kept


@pytest.mark.parametrize(
    "field",
    [
        ("X-Fc-Status", "404"),
        ("Date", "today"),
        ("server", "me"),
        ("Connection", "close"),
        ("Content-Length", "3"),
        ("Content-Disposition", "attachment"),
    ],
)
def test_a_function_cannot_answer_what_is_fcs(field: tuple[str, str]) -> None:  # item 96
    kept = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("content-disposition", "inline")]
    assert headers.returned([*kept, field]) == kept


def test_request_ids_have_the_form_of_their_generation() -> None:
    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}", headers.new_request_id())
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.new_request_id("2.0"))
    assert re.fullmatch(r"c-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}", headers.new_instance_id())
    assert headers.new_request_id() != headers.new_request_id()


def test_a_process_gets_fcs_variables_and_none_of_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OF_MY_SHELL", "1")
    function = FunctionConfig(
        name="f",
        folder=Path("/code"),
        environment={"MINE": "1", "FC_FUNCTION_NAME": "no"},
        credentials=("id", "secret", "token"),
    )
    found = environment.variables(function, "c-1", 4711)
    assert "OF_MY_SHELL" not in found
    assert found["MINE"] == "1"
    assert found["FC_FUNCTION_NAME"] == "f"
    assert (found["FC_CUSTOM_LISTEN_PORT"], found["FC_SERVER_PORT"]) == ("4711", "4711")
    assert (found["FC_FUNC_CODE_PATH"], found["FC_INSTANCE_ID"]) == ("/code", "c-1")
    assert (found["FC_REGION"], found["TZ"]) == ("cn-hangzhou", "UTC")
    assert found["ALIBABA_CLOUD_SECURITY_TOKEN"] == "token"
    assert "FC_SERVICE_NAME" not in found
    assert environment.variables(TWO, "c-1", 1)["FC_SERVICE_NAME"] == "s"
