"""The list of invocations, each of them, and their numbers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcplug.platform.model import Call, Outcome
from support.consoles import Client, opened
from support.platforms import event
from support.recorded_platform import RecordedPlatform
from support.small_platform import answer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def platform(tmp_path: Path) -> RecordedPlatform:
    platform = RecordedPlatform(tmp_path)
    platform.add("f", lambda call: answer(call.payload))
    return platform


@pytest.fixture
def client(platform: RecordedPlatform, tmp_path: Path) -> Iterator[Client]:
    with opened(platform, tmp_path) as (client, _, _):
        yield client


def numbers(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'id="row-(\d+)"', page)]


def test_ten_thousand_calls_are_a_page_of_fifty(platform: RecordedPlatform, client: Client) -> None:
    platform.record(10_000)
    page = client.get("/invocations").text
    assert numbers(page) == list(range(10_000, 9_950, -1))
    assert "1 to 50 of 10,000" in page
    assert len(page) < 100_000
    older = re.search(r'href="(/invocations\?before=\d+)">Older', page)
    assert older
    assert numbers(client.get(older[1]).text) == list(range(9_950, 9_900, -1))


def test_filters_are_of_the_query(platform: RecordedPlatform, client: Client) -> None:
    platform.record(100)
    page = client.get("/invocations?function=fails&outcome=failed&kind=sync&text=Ada").text
    found = numbers(page)
    assert found == [each for each in range(100, 0, -1) if each % 21 == 8]
    assert '<option value="fails" selected>' in page
    assert 'value="Ada"' in page
    assert "None" in client.get("/invocations?text=nowhere").text
    assert client.get("/invocations?before=x&outcome=odd&kind=%00").status == 200


def test_an_answer_of_50_mb_is_shown_in_part(platform: RecordedPlatform, client: Client) -> None:
    body, log = b"x" * 50_000_000, b"y" * 1_000_000
    platform.add("f", lambda _: Outcome(body=body, log=log))
    platform.invoke(event())
    page = client.get("/invocations/1")
    assert len(page.body) < 200_000
    assert "47.7 MB; here the first 64 KB" in page.text
    assert "976.6 KB; here the last 64 KB" in page.text
    assert client.get("/invocations/1/answer").body == body


@pytest.mark.parametrize(
    "body", [b"<script>alert(1)</script>", b"<svg onload='alert(1)'/>", b"\xff\x00binary"]
)
def test_what_a_function_returns_is_saved_and_never_run(
    platform: RecordedPlatform, client: Client, body: bytes
) -> None:
    platform.invoke(event(body))
    assert b"<script>alert" not in client.get("/invocations/1").body
    for part in ("answer", "event"):
        raw = client.get(f"/invocations/1/{part}")
        assert raw.body == body
        assert raw.headers["content-type"] == "application/octet-stream"
        assert raw.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in raw.headers["content-security-policy"]


def test_a_picture_is_drawn(platform: RecordedPlatform, client: Client) -> None:
    platform.invoke(event(PNG))
    assert '<img class="picture" src="/invocations/1/answer"' in client.get("/invocations/1").text
    raw = client.get("/invocations/1/answer")
    assert (raw.body, raw.headers["content-type"]) == (PNG, "image/png")


def test_headers_are_shown_without_credentials(platform: RecordedPlatform, client: Client) -> None:
    fields = [("Authorization", "Bearer abc"), ("x-mine", "shown")]
    call = Call(function="f", request_id="id", method="GET", target="/", headers=fields)
    platform.add("f", lambda _: Outcome(headers=[("set-cookie", "a=abc"), ("x-its", "seen")]))
    platform.invoke(call)
    page = client.get("/invocations/1").text
    assert "abc" not in page
    assert "x-mine: shown" in page
    assert "x-its: seen" in page


@pytest.mark.parametrize("path", ["/invocations/7", "/invocations/7/log", "/invocations/1/odd"])
def test_what_is_not_kept_is_said(platform: RecordedPlatform, client: Client, path: str) -> None:
    platform.invoke(event())
    assert client.get(path).status == 404


def test_the_lines_of_the_charts_are_json(platform: RecordedPlatform, client: Client) -> None:
    platform.record(100)
    found = json.loads(client.get("/figures?minutes=1").body)
    assert sum(found["calls"]) == 100
    assert sum(found["failed"]) == 15
    assert {len(each) for each in found.values()} == {60}
    assert sum(json.loads(client.get("/figures?function=echo").body)["calls"]) == 34
    assert client.get("/figures?minutes=7").status == 200
