"""Who may use the console, and what its pages may do in a browser."""

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.consoles import Client, opened
from support.recorded_platform import RecordedPlatform
from support.small_platform import answer

PAGES = ("/", "/functions/f", "/invocations", "/instances", "/queue", "/configuration", "/nope")


def platform_in(folder: Path) -> RecordedPlatform:
    platform = RecordedPlatform(folder)
    platform.add("f", lambda call: answer(call.payload))
    return platform


@pytest.fixture
def platform(tmp_path: Path) -> RecordedPlatform:
    return platform_in(tmp_path)


@pytest.fixture
def client(platform: RecordedPlatform, tmp_path: Path) -> Iterator[Client]:
    with opened(platform, tmp_path) as (client, _, _):
        yield client


@pytest.mark.parametrize("path", [*PAGES, "/static/console.js", "/figures"])
def test_a_page_may_load_only_what_the_console_serves(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_script_or_style_of_its_own(client: Client, path: str) -> None:
    text = client.get(path).text
    assert "style=" not in text
    assert "<style" not in text
    assert "onclick" not in text
    assert all(each.startswith(" src=") for each in text.split("<script")[1:])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_points_here_is_refused(client: Client, host: str) -> None:
    refused = client.get("/", Host=host)
    assert refused.status == 403
    assert "hello" not in refused.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "console.localhost:1", "[::1]:9998"])
def test_the_names_of_this_machine_are_known(client: Client, host: str) -> None:
    assert client.get("/", Host=host).status == 200


def test_a_form_of_the_console_calls_a_function(client: Client) -> None:
    page = client.post("/functions/f", mode="event", text="an event")
    assert page.status == 200
    assert "an event" in page.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "null", "https://localhost"]
)
def test_a_form_of_another_origin_is_refused(
    client: Client, platform: RecordedPlatform, origin: str
) -> None:
    refused = client.post("/functions/f", headers={"Origin": origin}, mode="event", text="x")
    assert refused.status == 403
    assert platform.calls == []


@pytest.mark.parametrize("token", ["", "guessed", "ü"])
def test_a_form_without_the_token_of_this_run_is_refused(
    client: Client, platform: RecordedPlatform, token: str
) -> None:
    refused = client.post("/functions/f", csrf=token, mode="event", text="x")
    assert refused.status == 403
    assert "load the page again" in refused.text
    assert platform.calls == []


def test_a_request_that_does_not_say_its_origin_is_refused(
    client: Client, platform: RecordedPlatform
) -> None:
    body = f"csrf={client.csrf()}&mode=event".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.request("POST", "/functions/f", body, kind).status == 403
    with_origin = {**kind, "Origin": client.origin}
    assert client.request("POST", "/functions/f", body, with_origin).status == 403
    assert platform.calls == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_gets_nothing_but_a_link_works(client: Client, site: str) -> None:
    fetched = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "cors"}
    assert client.get("/invocations", **fetched).status == 403
    assert client.get("/stream", **fetched).status == 403
    followed = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate"}
    assert client.get("/invocations", **followed).status == 200


def test_other_machines_need_the_token_which_becomes_a_cookie(
    platform: RecordedPlatform, tmp_path: Path
) -> None:
    with opened(platform, tmp_path, host="0.0.0.0") as (client, console, _):
        token = urlsplit(console.url).query.removeprefix("token=")
        assert len(token) >= 32
        for path in (*PAGES, "/stream", "/figures", "/?token=guessed"):
            refused = client.get(path)
            assert refused.status == 401
            assert "fcplug dev printed" in refused.text
        assert client.get("/static/console.css").status == 200  # for the page that says so
        first = client.get(f"/?token={token}")
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert token not in first.text
        client.cookie = cookie.partition(";")[0]
        assert client.get("/").status == 200
        assert client.post("/functions/f", mode="event", text="x").status == 200
        client.cookie = client.cookie[:-1]
        assert client.get("/").status == 401


def test_a_form_that_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    connection = HTTPConnection("127.0.0.1", client.port, timeout=30)
    connection.putrequest("POST", "/functions/f")
    connection.putheader("Content-Length", str(1 << 40))
    connection.putheader("Origin", client.origin)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
