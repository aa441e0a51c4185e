"""The overview, and the page of a function with its editor, over real processes."""

import base64
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcplug.platform.emulator import Emulator
from fcplug.platform.model import BucketTrigger, Call, TimerTrigger
from support.consoles import Client, opened
from support.platforms import event, stranger
from support.waiting import wait_until

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Emulator]:
    credentials = ("LTAIid", "the-secret-of-the-role", "the-token-of-the-role")
    with Emulator([stranger(tmp_path, credentials=credentials)]) as platform:
        yield platform


@pytest.fixture
def client(platform: Emulator, tmp_path: Path) -> Iterator[Client]:
    with opened(platform, tmp_path) as (client, _, _):
        yield client


def test_a_function_is_idle_and_ready_once_it_was_called(
    platform: Emulator, client: Client
) -> None:
    assert "idle" in client.get("/").text
    platform.invoke(event(b"an event"))
    overview = client.get("/").text
    assert re.search(r'class="chip ready"', overview)
    assert "./bootstrap" in overview


def test_a_function_whose_instance_fails_is_broken_with_its_last_words(tmp_path: Path) -> None:
    before = "import sys; sys.exit('I cannot start: ' + '<b>why</b>')"
    function = stranger(tmp_path, environment={"BEFORE": before})
    with Emulator([function]) as platform, opened(platform, tmp_path) as (client, _, _):
        platform.invoke(event())
        for path in ("/", "/functions/f", "/instances"):
            page = client.get(path).text
            assert "I cannot start: &lt;b&gt;why&lt;/b&gt;" in page
            assert "<b>why" not in page
        assert 'class="chip broken"' in client.get("/").text


def test_a_call_shows_answer_log_duration_memory_and_id(platform: Emulator, client: Client) -> None:
    page = client.post("/functions/f", mode="event", text=f"show {HOSTILE}\r\nsecond").text
    (invocation,) = platform.invocations()
    assert invocation.call.payload == f"show {HOSTILE}\nsecond".encode()
    assert "&#34;method&#34;: &#34;POST&#34;" in page  # the answer, laid out
    assert f"POST /invoke {invocation.call.request_id}" in page  # the log
    assert invocation.outcome is not None
    assert re.search(rf"<dd>{invocation.outcome.duration_ms:,.0f}[\d.]* ms</dd>", page) or (
        f"{invocation.outcome.duration_ms:.1f} ms" in page
    )
    assert f"{invocation.outcome.memory_mb:.1f} MB" in page
    assert invocation.outcome.instance_id in page
    assert HOSTILE not in page


def test_a_failed_call_shows_its_error(client: Client) -> None:
    page = client.post("/functions/f", mode="event", text="fail").text
    assert "UnhandledInvocationError" in page
    assert "&#34;errorMessage&#34;: &#34;no&#34;" in page


def test_bytes_and_files_reach_the_function_unchanged(platform: Emulator, client: Client) -> None:
    data = b"show \xff\x00\r\n"
    text = base64.encodebytes(data).decode()
    client.post("/functions/f", mode="event", text=text, encoded="on")
    assert platform.invocations()[0].call.payload == data
    client.post("/functions/f", mode="event", text="ignored", file="of a file\r\n")
    assert platform.invocations()[0].call.payload == b"of a file\r\n"


def test_a_web_request_is_sent_as_it_is_written(platform: Emulator, client: Client) -> None:
    page = client.post(
        "/functions/f",
        mode="web",
        method="PUT",
        target="/shop?a=%20b",
        text="a body",
    ).text
    call = platform.invocations()[0].call
    assert (call.kind, call.method, call.target, call.payload) == (
        "http", "PUT", "/shop?a=%20b", b"a body",
    )  # fmt: skip
    assert "<dt>Status</dt><dd>200</dd>" in page
    assert "X-Mine: 1" in page


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"mode": "web", "target": "no/slash"}, "must begin with /"),
        ({"mode": "web", "target": "/\n"}, "ASCII characters only"),
        ({"mode": "web", "method": "TRACE"}, "method must be one of"),
        ({"mode": "event", "text": "not base64!", "encoded": "on"}, "not base64"),
        ({"mode": "async", "text": "x" * (128 * 1024 + 1)}, "131073 bytes"),
    ],
)
def test_what_cannot_be_sent_is_said(
    platform: Emulator, client: Client, fields: Any, why: str
) -> None:
    page = client.post("/functions/f", **fields)
    assert page.status == 200
    assert why in page.text
    assert platform.invocations() == ()


def test_an_asynchronous_event_is_queued(platform: Emulator, tmp_path: Path) -> None:
    with opened(platform, tmp_path) as (client, _, queue):
        page = client.post("/functions/f", mode="async", text="later").text
        found = re.search(r'href="(/queue/f/[^"]+)"', page)
        assert found
        wait_until(lambda: "Succeeded" in client.get(found[1]).text)
        assert [each.call.payload for each in queue.tasks.select([], "number")] == [b"later"]


def test_each_trigger_has_a_sample(client: Client) -> None:
    page = client.get("/functions/f").text
    kinds = re.findall(r"<option>([\w-]+)</option>", page.partition("Sample event")[2])
    assert {"oss", "timer", "kafka", "http"} <= set(kinds)
    assert "ObjectCreated:PutObject" in client.get("/functions/f?sample=oss").text
    assert "triggerTime" in client.get("/functions/f?sample=timer").text
    binary = client.get("/functions/f?sample=tablestore").text  # CBOR
    assert re.search(r'name="encoded" checked', binary)
    assert client.get(f"/functions/f?sample={HOSTILE}").status == 200


def test_credentials_are_on_no_page(platform: Emulator, client: Client) -> None:
    text = "log print('the-secret-of-the-role', 'the-token-of-the-role', flush=True)"
    page = client.post("/functions/f", mode="event", text=text).text
    pages = [page, *map(client.get_text, ("/", "/functions/f", "/invocations/1", "/instances"))]
    pages.append(client.get("/invocations/1/log").text)
    assert "••• •••" in page
    for each in pages:
        log = each.partition("<h3>Log</h3>")[2]
        assert "the-secret-of-the-role" not in log
        assert "LTAIid" not in each


def test_many_calls_from_pages_do_not_take_all_threads(platform: Emulator, tmp_path: Path) -> None:
    with opened(platform, tmp_path) as (client, _, _):
        gate = tmp_path / "gate"
        wait = f"wait while not os.path.exists({str(gate)!r}): time.sleep(.01)"
        threads = [
            threading.Thread(target=client.post, args=("/functions/f",), kwargs={"text": wait})
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(platform.invocations()) == 8)
        assert "8 calls from the console are running" in client.post("/functions/f", text="x").text
        gate.touch()
        for thread in threads:
            thread.join()


def test_a_log_line_of_50_mb_is_shown_in_part(platform: Emulator, client: Client) -> None:
    text = "log print('x' * 50_000_000, flush=True)"
    page = client.post("/functions/f", mode="event", text=text)
    assert "(cut: the line has 50000000 bytes)" in page.text
    assert len(page.body) < 200_000


def test_the_output_of_instances_is_shown_also_between_calls(tmp_path: Path) -> None:
    say = "print('starting <b>now</b>', os.environ['ALIBABA_CLOUD_ACCESS_KEY_SECRET'], flush=True)"
    function = stranger(
        tmp_path, environment={"BEFORE": say}, credentials=("id", "the-secret", "the-token")
    )
    with Emulator([function]) as platform, opened(platform, tmp_path) as (client, _, _):
        assert "have written nothing yet" in client.get("/functions/f").text
        platform.invoke(event())
        page = client.get("/functions/f").text
    output = page.partition('id="output"')[2]
    assert "</span> starting &lt;b&gt;now&lt;/b&gt; •••\n" in output
    assert "the-secret" not in page


def test_a_function_is_shown_with_its_triggers(tmp_path: Path) -> None:
    triggers = (
        TimerTrigger(function="f", name="nightly", expression="@every 1h"),
        BucketTrigger(
            function="f", name="photos", bucket="pictures", events=("oss:ObjectCreated:*",),
            suffix=".jpg",
        ),
    )  # fmt: skip
    function = stranger(tmp_path, triggers=triggers)
    with Emulator([function]) as platform, opened(platform, tmp_path) as (client, _, _):
        page = client.get("/functions/f").text
    assert 'nightly <span class="mono faint">@every 1h</span>' in page
    assert 'photos <span class="mono faint">pictures: oss:ObjectCreated:* *.jpg</span>' in page


def test_a_function_that_is_gone_has_a_page_that_says_so(
    platform: Emulator, client: Client
) -> None:
    csrf = client.csrf()
    platform.replace([])
    assert client.get("/functions/f").status == 404
    page = client.post("/functions/f", csrf=csrf, text="x")
    assert page.status == 404
    assert "There is no such function" in page.text


def test_names_with_odd_characters_are_escaped(platform: Emulator, client: Client) -> None:
    platform.invoke(Call(function=HOSTILE, request_id=HOSTILE, payload=HOSTILE.encode()))
    for path in ("/", "/invocations", "/invocations/1", f"/functions/{HOSTILE}"):
        assert HOSTILE not in client.get(path).text
