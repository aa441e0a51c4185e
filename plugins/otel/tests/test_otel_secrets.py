"""No credential leaves with the telemetry."""

import json
from typing import Any

KEYS = {
    "x_fc_access_key_id": "LTAI5tExampleKeyOfTheCall",
    "x_fc_access_key_secret": "SecretSecretSecretOfTheCall",
    "x_fc_security_token": "CAISTokenTokenTokenOfTheCall",
}
LOGIN = "c2VjcmV0LWxvZ2luLW9mLXRoZS1jbGllbnQ"

CODE = """
import json, logging
from opentelemetry import metrics, trace

def handle(event, context):
    keys = context.credentials
    all_of_them = f"{keys.access_key_id} {keys.access_key_secret} {keys.security_token}"
    login = json.loads(event)["login"]
    logging.getLogger("shop").warning("keys %s login %s", all_of_them, login)
    context.logger.error("again", exc_info=ValueError(all_of_them))
    metrics.get_meter("shop").create_counter("sold").add(1, {"key": keys.access_key_secret})
    with trace.get_tracer("shop").start_as_current_span(f"of {keys.access_key_id}") as span:
        span.set_attribute("url", f"https://oss/?token={keys.security_token}")
        span.set_attribute("all", [all_of_them])
        span.set_attribute("http.request.header.authorization", [login[7:]])
        span.set_attribute("login", login)
        span.set_attribute("tokens", 12)
        span.add_event("signed", {"with": keys.access_key_secret})
        raise ValueError(f"cannot use {all_of_them}")
"""


def test_no_credential_of_a_call_is_exported(start: Any, collector: Any) -> None:
    instance = start(CODE, otel={"endpoint": collector.url, "export_timeout": 30})
    event = json.dumps({"login": f"Bearer {LOGIN}"}).encode()
    reply = instance.invoke(event, authorization=f"Bearer {LOGIN}", **KEYS)
    assert json.loads(reply.body)["errorType"] == "ValueError"
    assert len(collector.spans) == 3
    assert len(collector.logs) == 2
    assert "sold" in collector.metrics
    for secret in (*KEYS.values(), LOGIN):
        assert secret.encode() not in collector.raw
    (mine,) = [span for span in collector.spans if span.name == "of ***"]
    values = {item.key: item.value for item in mine.attributes}
    assert values["url"].string_value == "https://oss/?token=***"
    assert values["tokens"].int_value == 12
    assert b"***" in collector.raw


def test_no_credential_of_a_call_is_exported_in_a_signed_url(start: Any, collector: Any) -> None:
    code = """
import logging
from urllib.parse import quote
from opentelemetry import trace

def handle(event, context):
    url = f"https://oss/100%?token={quote(context.credentials.security_token, safe='')}&a=%2B"
    logging.getLogger("shop").warning(url)
    with trace.get_tracer("shop").start_as_current_span("GET") as span:
        span.set_attribute("url.full", url)
        raise ValueError(f"cannot get {url}")
"""
    instance = start(code, otel={"endpoint": collector.url, "export_timeout": 30})
    reply = instance.invoke(b"", **{**KEYS, "x_fc_security_token": "CAIS+Token/OfTheCall=="})
    assert json.loads(reply.body)["errorMessage"] == "cannot get https://oss/100%?token=***&a=%2B"
    assert b"https://oss/100%?token=***&a=%2B" in collector.raw
    assert b"Token%2FOfTheCall" not in collector.raw


def test_the_headers_of_the_export_are_sent_and_nowhere_else(start: Any, collector: Any) -> None:
    code = (
        "def handle(event, context):\n    raise ValueError('the token is s3cret-of-the-backend')\n"
    )
    settings = {"endpoint": collector.url, "headers": {"x-api-key": "s3cret-of-the-backend"}}
    instance = start(code, otel={**settings, "export_timeout": 30})
    instance.invoke()
    assert {headers["x-api-key"] for _, headers, _ in collector.requests} == {
        "s3cret-of-the-backend"
    }
    assert b"s3cret-of-the-backend" not in collector.raw
