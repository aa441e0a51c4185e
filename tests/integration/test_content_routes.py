"""Routes on content in a whole instance: events, web requests, workers, several processes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start

MIB = 1024 * 1024

CONFIG = """\
version: 1
runtime: {processes: 2}
functions:
  plain: {handler: shop.plain}
  orders: {handler: shop.orders}
  isolated: {handler: shop.isolated, isolation: process}
  site: {wsgi: "shop:site"}
  beta: {wsgi: "shop:beta"}
  raw: {wsgi: "shop:raw", phases: hooks, handler: shop.plain}
routes:
  - match: {event: {detail.type: "order.*", detail.live: true}}
    to: orders
  - match: {event: {events.0.eventName: "ObjectCreated:*"}, header: {x-tenant: [acme, b]}}
    to: isolated
  - match: {content_type: application/cloudevents+json}
    to: isolated
  - match: {header: {cookie: "*beta=1*"}}
    to: beta
  - match: {path: /api/*, method: [GET, POST]}
    to: beta
"""
SHOP = """\
ready = []

class Named:
    def __init__(self, name): self.name = name
    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        return [f"{self.name} {request} {len(body)}".encode()]

site, beta, raw = Named("site"), Named("beta"), Named("raw")

def plain(event, context): return f"plain {len(event)}"
def orders(event, context): return f"orders {len(event)}"
def isolated(event, context): return f"isolated {len(event)}"
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = deploy(tmp_path_factory.mktemp("content"), CONFIG, {"shop.py": SHOP})
    with start(folder) as running:
        yield running


ORDER = {"detail": {"type": "order.created", "live": True}}
OSS = {"events": [{"eventName": "ObjectCreated:PutObject"}]}


@pytest.mark.parametrize(
    ("event", "headers", "answers"),
    [
        (json.dumps(ORDER).encode(), {}, "orders"),
        (json.dumps({"pad": "x" * 31 * MIB, **ORDER}).encode(), {}, "orders"),
        (json.dumps(OSS).encode(), {"x_tenant": "acme"}, "isolated"),
        (json.dumps(OSS).encode(), {"x_tenant": "other"}, "plain"),
        (b"no json", {"content_type": "application/cloudevents+json; charset=utf-8"}, "isolated"),
        (b"x" * 32 * MIB, {}, "plain"),
        (b"[" * MIB, {}, "plain"),
        (b'{"detail": ' + b"[" * MIB + b"]" * MIB + b"}", {}, "plain"),
        (b'{"detail": {"type": 3, "type": "order.x", "live": true}}', {}, "plain"),
        (b'{"detail": {"type": "order.x", "live": "true"}}', {}, "plain"),
        (b"", {}, "plain"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_event_reaches_the_function_that_its_content_leads_to(
    instance: Instance, event: bytes, headers: dict[str, str], answers: str
) -> None:
    answer = instance.invoke("plain", event, **headers)
    assert (answer.status, answer.body.decode()) == (200, f"{answers} {len(event)}")


@pytest.mark.parametrize(
    ("method", "path", "headers", "answers"),
    [
        ("GET", "/api/items?a=b", {}, "beta GET /api/items 0"),
        ("GET", "/%61pi/items", {}, "beta GET /api/items 0"),
        ("PUT", "/api/items", {}, "site PUT /api/items 2"),
        ("GET", "/", {"Cookie": "a=b; beta=1"}, "beta GET / 0"),
        ("POST", "/x", {"Content-Type": "text/plain"}, "site POST /x 2"),
    ],
)
def test_a_web_request_reaches_the_application_of_its_path_method_and_headers(
    instance: Instance, method: str, path: str, headers: dict[str, str], answers: str
) -> None:
    body = None if method == "GET" else b"{}"
    fc = {"x-fc-control-path": "/http-invoke", "x-fc-function-name": "site", **headers}
    answer = instance.call(method, path, body, fc)
    assert (answer.status, answer.body.decode()) == (200, answers)


def test_initialize_prepares_every_function_that_the_content_of_calls_may_lead_to(
    tmp_path: Path,
) -> None:
    code = "\n".join(
        f"def {name}(event, context): return '{name}'\n"
        f"def init_{name}(context): print('initialized {name}', flush=True)"
        for name in ("a", "b", "c")
    )
    config = "version: 1\nfunctions:\n" + "".join(
        f"  {name}: {{handler: code_of.{name}, initializer: code_of.init_{name}}}\n"
        for name in ("a", "b", "c")
    )
    config += "routes: [{match: {function: a, event: {k: 1}}, to: b}]\n"
    folder = deploy(tmp_path, config, {"code_of.py": code})
    on_fc = {"FC_FUNCTION_NAME": "a"}
    with start(folder, environ=on_fc) as running:
        assert running.call("POST", "/initialize", b"").status == 200
        assert running.call("POST", "/invoke", b'{"k": 1}').body == b"b"
        assert running.call("POST", "/invoke", b'{"k": 2}').body == b"a"
        lines = [line for line in running.log.splitlines() if "initialized" in line]
    assert [line.rpartition("initialized ")[2] for line in lines] == ["b", "a"]


def test_an_application_that_answers_all_phases_gets_the_events_that_are_routed_to_it(
    tmp_path: Path,
) -> None:
    config = (
        "version: 1\n"
        "functions: {plain: {handler: shop.plain}, app: {wsgi: 'shop:site', phases: app}}\n"
        "routes: [{match: {event: {to: app}}, to: app}]\n"
    )
    with start(deploy(tmp_path, config, {"shop.py": SHOP})) as running:
        event = b'{"to": "app"}'
        assert running.invoke("plain", event).body == b"site POST /invoke 13"
        assert running.invoke("plain", b'{"to": "me"}').body == b"plain 12"
