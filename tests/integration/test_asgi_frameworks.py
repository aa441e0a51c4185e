"""Applications of FastAPI and Starlette, in whole instances."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from support.deployed import CODE, Answer, Instance, deploy, start
from support.waiting import wait_until

SHOPS = ("fastapi_shop", "starlette_shop")
FILES = {f"{name}.py": (CODE / f"{name}.py").read_text() for name in SHOPS}
CONFIG = """\
version: 1
defaults: {defaults}
functions:
  fastapi: {{asgi: "fastapi_shop:app"}}
  starlette: {{asgi: "starlette_shop:app"}}
"""
MODES = {
    "thread": "{}",
    "deadline": "{timeout: 60}",
    "process": "{isolation: process}",
}


@pytest.fixture(scope="module", params=list(MODES.values()), ids=list(MODES))
def instance(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Instance]:
    config = CONFIG.format(defaults=request.param)
    with start(deploy(tmp_path_factory.mktemp("code"), config, FILES)) as running:
        yield running
        assert running.stop() == 0
    assert running.log.count("shop opened") == running.log.count("shop closed") == 1
    for complaint in ("never retrieved", "was destroyed", "never awaited"):
        assert complaint not in running.log


def ask(
    instance: Instance,
    path: str,
    body: bytes | None = None,
    function: str = "fastapi",
    kind: str = "application/json",
) -> Answer:
    headers = {"x-fc-function-name": function, "x-fc-request-id": f"ask{path}".replace("/", "-")}
    if body is not None:
        headers["content-type"] = kind
    return instance.call("GET" if body is None else "POST", path, body, headers)


def test_path_query_state_and_context_reach_the_application(instance: Instance) -> None:
    answer = ask(instance, "/items/tea?count=2")
    assert answer.status == 200
    document = json.loads(answer.body)
    assert (document["left"], document["same loop"]) == (1, True)
    assert answer.headers["content-type"] == "application/json"


def test_many_requests_at_once_each_have_their_own_answer(instance: Instance) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda n: ask(instance, f"/items/tea?count={n}"), range(40))
        assert [json.loads(answer.body)["left"] for answer in answers] == [3 - n for n in range(40)]


def test_what_does_not_validate_is_the_frameworks_422(instance: Instance) -> None:
    for answer in (ask(instance, "/items/tea?count=two"), ask(instance, "/orders", b"{}")):
        assert (answer.status, answer.headers["x-fc-status"]) == (422, "200")
        assert json.loads(answer.body)["detail"][0]["loc"][0] in ("query", "body")


def test_an_order_is_answered_and_billed_in_the_background(instance: Instance) -> None:
    answer = ask(instance, "/orders", b'{"item": "tea"}')
    assert (answer.status, json.loads(answer.body)) == (201, {"item": "TEA", "count": 1})
    instance.wait_for("(?s)till closed.*bill for tea|bill for tea.*till closed")
    instance.wait_for("(?s)bill for tea\n.*FC Invoke End RequestId: ask-orders$")


def test_a_file_is_uploaded(instance: Instance) -> None:
    size = 3 << 20
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body += bytes(size) + b"\r\n--x--\r\n"
    answer = ask(instance, "/upload", body, kind="multipart/form-data; boundary=x")
    assert answer.body == str(size).encode()


def test_plain_functions_run_on_threads_of_the_framework(instance: Instance) -> None:
    assert ask(instance, "/threads").body == b'"ask-threads"'


def test_the_second_event_is_created_when_the_client_has_the_first(
    instance: Instance, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with closing(instance.connect()) as connection:
        connection.request("GET", f"/events?gate={gate}", headers={"x-fc-function-name": "fastapi"})
        response = connection.getresponse()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.readline() + response.readline() == b"data: 1\n\n"
        gate.touch()
        assert response.read() == b"data: 2\n\n"


def test_a_client_that_leaves_ends_the_stream(instance: Instance) -> None:
    before = instance.log.count("stream closed")
    with closing(instance.connect()) as connection:
        connection.request("GET", "/endless", headers={"x-fc-function-name": "fastapi"})
        with connection.getresponse() as response:
            assert response.read(10)
    wait_until(lambda: instance.log.count("stream closed") > before)
    assert ask(instance, "/items/tea").status == 200


def test_an_exception_is_the_frameworks_page_and_in_the_log(instance: Instance) -> None:
    answer = ask(instance, "/boom")
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert answer.headers["x-fc-status"] == "200"
    instance.wait_for("^ValueError: no such luck$")


def test_an_uncaught_exception_is_the_error_document(instance: Instance) -> None:
    answer = ask(instance, "/raise", function="starlette")
    document = json.loads(answer.body)
    assert (answer.status, answer.headers["x-fc-status"]) == (500, "404")
    assert (document["errorType"], document["errorMessage"]) == ("LookupError", "raised through")


def test_cookies_files_and_mounts_come_as_they_are(instance: Instance) -> None:
    with closing(instance.connect()) as connection:
        connection.request("GET", "/", headers={"x-fc-function-name": "starlette"})
        response = connection.getresponse()
        assert response.read() == b"home"
        cookies = response.headers.get_all("set-cookie") or []
        assert [cookie[:4] for cookie in cookies] == ["a=1;", "b=2;"]
        assert response.headers["x-named"] == "/"
    assert ask(instance, "/file", function="starlette").body.decode() == FILES["starlette_shop.py"]
    assert ask(instance, "/shelf/url", function="starlette").body.endswith(b"/shelf/url")
    assert ask(instance, "/nowhere", function="starlette").status == 404


def test_a_body_is_read_as_it_comes(instance: Instance) -> None:
    answer = ask(instance, "/echo", bytes(5 << 20), function="starlette")
    assert json.loads(answer.body) == {"size": 5 << 20}


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_late_request_has_its_dependencies_closed(tmp_path: Path, isolation: str) -> None:
    config = CONFIG.format(defaults=f"{{timeout: 3, isolation: {isolation}}}")
    with start(deploy(tmp_path, config, FILES)) as instance:
        wait_until(lambda: ask(instance, "/items/tea").status == 200)
        late = ask(instance, "/sleep")
        assert (late.status, json.loads(late.body)["errorType"]) == (504, "FunctionTimeoutError")
        if isolation == "thread":
            instance.wait_for("till closed")
            assert "in sleep\n    await asyncio.sleep(1000)" in instance.log
        wait_until(lambda: ask(instance, "/items/tea").status == 200)


def test_a_startup_that_fails_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "closed-today").touch()
    with start(deploy(tmp_path, CONFIG.format(defaults="{}"), FILES)) as instance:
        document = json.loads(ask(instance, "/items/tea").body)
        assert (document["errorType"], document["errorMessage"]) == ("LookupError", "closed today")
        assert ask(instance, "/items/tea").status == 200
