"""The API over a real server: paths of all versions, errors, limits, and web requests."""

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcplug.platform.model import ASYNC_PAYLOAD, SYNC_PAYLOAD, Call, Outcome
from support.small_platform import SmallPlatform, answer, serving


class Client:
    """Sends requests to the API on a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        found = response.status, response.headers, response.read()
        connection.close()
        return found


@pytest.fixture
def platform(tmp_path: Path) -> SmallPlatform:
    return SmallPlatform(tmp_path)


@pytest.fixture
def client(platform: SmallPlatform, tmp_path: Path) -> Iterator[Client]:
    with serving(platform, tmp_path) as (port, _queue):
        yield Client(port)


INVOCATIONS = [
    "/2023-03-30/functions/echo/invocations",
    "/2021-04-06/services/default/functions/echo/invocations",
    "/2016-08-15/services/default/functions/echo/invocations",
    "/2016-08-15/services/default.LATEST/functions/echo/invocations",
    "/2016-08-15/services/default/functions/echo",  # as the documents of FC 2.0 write it
]


@pytest.mark.parametrize("path", INVOCATIONS)
def test_each_version_of_the_api_invokes(client: Client, path: str) -> None:
    status, headers, body = client("POST", path, b"\x00event")
    assert (status, body) == (200, b"\x00event")
    assert headers["x-fc-request-id"].startswith("1-")
    assert headers["x-fc-invocation-duration"] == "1.25"
    assert headers["x-fc-max-memory-usage"] == "9.50"
    assert headers["x-fc-instance-id"] == "c-1"
    assert headers["x-fc-invocation-service-version"] == "LATEST"
    assert headers["content-type"] == "application/octet-stream"
    assert "x-fc-error-type" not in headers


def test_the_qualifier_reaches_the_function_from_path_and_query(
    client: Client, platform: SmallPlatform
) -> None:
    client("POST", "/2016-08-15/services/default.prod/functions/echo/invocations")
    client("POST", "/2023-03-30/functions/echo/invocations?qualifier=7")
    assert [call.qualifier for call in platform.calls] == ["prod", "7"]


def test_a_function_error_is_a_success_of_the_api_with_its_type(client: Client) -> None:
    status, headers, body = client("POST", "/2023-03-30/functions/fails/invocations")
    assert status == 200
    assert headers["x-fc-error-type"] == "UnhandledInvocationError"
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["errorType"] == "ValueError"


def test_the_log_tail_is_the_last_4_kb_and_ends_with_the_line_of_fc(
    client: Client, platform: SmallPlatform
) -> None:
    platform.add("long", lambda _: Outcome(log=b"x" * 10_000 + b"\nend\n", duration_ms=2.5))
    _, headers, _ = client("POST", "/2023-03-30/functions/long/invocations", x_fc_log_type="Tail")
    log = base64.b64decode(headers["x-fc-log-result"])
    assert len(log) == 4096
    assert log.endswith(
        b"x\nend\n\nDuration: 2.50 ms, Billed Duration: 3 ms, "
        b"Memory Size: 512 MB, Max Memory Used: 0.00 MB\n"
    )
    _, headers, _ = client("POST", "/2023-03-30/functions/long/invocations")
    assert "x-fc-log-result" not in headers


REFUSED = [
    ("POST", "/2023-03-30/functions/nobody/invocations", 404, "FunctionNotFound"),
    ("POST", "/2021-04-06/services/none/functions/echo/invocations", 404, "ServiceNotFound"),
    ("POST", "/2021-04-06/services/web/functions/echo/invocations", 404, "FunctionNotFound"),
    ("GET", "/2016-08-15/proxy/default/nobody/x", 404, "FunctionNotFound"),
    ("GET", "/2023-03-30/functions/echo/async-tasks/none", 404, "AsyncTaskNotFound"),
    ("GET", "/2023-03-30/functions?limit=x", 400, "InvalidArgument"),
    ("GET", "/2023-03-30/functions/echo/async-tasks?status=Odd", 400, "InvalidArgument"),
    ("GET", "/2023-03-30/functions/echo/async-tasks?nextToken=-1", 400, "InvalidArgument"),
    ("POST", "/2023-03-30/functions/broken/invocations", 412, "CAExited"),
    ("DELETE", "/2023-03-30/functions/echo", 405, "MethodNotAllowed"),
    ("GET", "/elsewhere", 404, "PathNotSupported"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), REFUSED)
def test_an_error_has_the_names_of_all_versions(
    client: Client, method: str, path: str, status: int, code: str
) -> None:
    found, headers, body = client(method, path)
    document = json.loads(body)
    assert (found, document["Code"], document["ErrorCode"]) == (status, code, code)
    assert document["Message"] == document["ErrorMessage"] != ""
    assert document["RequestId"] == headers["x-fc-request-id"] != ""


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(client: Client) -> None:
    path = "/2023-03-30/functions/echo/invocations"
    assert client("POST", path, b"x" * SYNC_PAYLOAD)[0] == 200
    status, _, body = client("POST", path, b"x" * (SYNC_PAYLOAD + 1))
    assert (status, json.loads(body)["Code"]) == (400, "EntityTooLarge")
    event = b"x" * (ASYNC_PAYLOAD + 1)
    assert client("POST", path, event, x_fc_invocation_type="Async")[0] == 400
    assert client("POST", path, event[1:], x_fc_invocation_type="Async")[0] == 202


def test_an_unknown_kind_of_invocation_is_refused(client: Client) -> None:
    path = "/2023-03-30/functions/echo/invocations"
    status, _, body = client("POST", path, x_fc_invocation_type="Later")
    assert (status, json.loads(body)["Code"]) == (400, "InvalidArgument")
    assert client("POST", path, x_fc_log_type="Head")[0] == 400


def test_an_error_of_the_platform_is_one_that_sdks_understand(
    client: Client, platform: SmallPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(_: Call) -> Outcome:
        raise OSError("no more processes")

    platform.add("odd", fall)
    status, _, body = client("POST", "/2023-03-30/functions/odd/invocations")
    assert (status, json.loads(body)["Code"]) == (500, "InternalServerError")
    assert "no more processes" in json.loads(body)["Message"]


def test_a_web_request_reaches_the_function_of_fc_2_with_its_whole_path(client: Client) -> None:
    path = "/2016-08-15/proxy/web/site/a%20b/c?x=1+2"
    status, headers, body = client("PUT", path, b"text")
    assert (status, body) == (201, f"PUT {path} text".encode())
    assert headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert headers["content-type"] == "text/plain"


@pytest.mark.parametrize(("path", "own"), [("", "/"), ("/", "/"), ("/a%2Fb?c", "/a%2Fb?c")])
def test_a_web_request_reaches_the_function_of_fc_3_with_its_own_path(
    client: Client, path: str, own: str
) -> None:
    _, _, body = client("GET", f"/2016-08-15/proxy/default/site3{path}")
    assert body.decode().split()[1] == own


def test_headers_of_fc_do_not_reach_a_web_function(client: Client, platform: SmallPlatform) -> None:
    client("GET", "/2016-08-15/proxy/web/site/", x_fc_access_key_secret="made up", x_own="kept")
    names = dict(platform.calls[0].headers)
    assert names["x-own"] == "kept"
    assert not any(name.startswith("x-fc-") for name in names)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/" + "p" * 4096, {}), ("/", {"x_big": "h" * 9000}), ("/?" + "q" * 5000, {})],
)
def test_a_web_request_over_a_limit_of_fc_is_refused(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    status, _, body = client("GET", f"/2016-08-15/proxy/web/site{path}", b"", **headers)
    assert (status, json.loads(body)["Code"]) == (400, "InvalidArgument")


def test_too_many_response_headers_are_a_bad_response(
    client: Client, platform: SmallPlatform
) -> None:
    platform.add("wide", lambda _: Outcome(headers=[("x-a", "v" * 9000)]))
    status, _, body = client("GET", "/2016-08-15/proxy/default/wide/")
    assert (status, json.loads(body)["Code"]) == (502, "BadResponse")


def test_functions_are_listed_in_pages(client: Client) -> None:
    names: list[str] = []
    token = ""
    while True:
        _, _, body = client("GET", f"/2023-03-30/functions?limit=2&nextToken={token}")
        page: dict[str, Any] = json.loads(body)
        names += [function["functionName"] for function in page["functions"]]
        token = page.get("nextToken", "")
        if not token:
            break
    assert names == ["broken", "echo", "fails", "site", "site3"]


def test_environment_variables_are_not_shown(client: Client, platform: SmallPlatform) -> None:
    platform.add("secretive", lambda _: answer(b""), environment={"TOKEN": "s3cret"})
    assert b"s3cret" not in client("GET", "/2023-03-30/functions/secretive")[2]
    assert b"s3cret" not in client("GET", "/2023-03-30/functions")[2]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Origin": "http://[::1"},
        {"Origin": "http://localhost@evil.example"},
    ],
)
def test_a_page_of_another_site_may_not_invoke(
    client: Client, platform: SmallPlatform, headers: dict[str, str]
) -> None:
    status, _, body = client("POST", INVOCATIONS[0], b"", **headers)
    assert (status, json.loads(body)["Code"]) == (403, "AccessDenied")
    assert platform.calls == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:9", "fc.localhost"])
def test_a_local_host_and_origin_may_invoke(client: Client, host: str) -> None:
    assert client("POST", INVOCATIONS[0], Host=host, Origin=f"http://{host}")[0] == 200
