"""The pages of instances, of the queue and of the configuration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fcplug.platform.emulator import Emulator
from support.consoles import Client, opened
from support.platforms import event, stranger
from support.recorded_platform import RecordedPlatform
from support.small_platform import failure
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  f:
    handler: there.is:nothing
    timeuot: 5
    settings: {password: hunter2}
"""


@pytest.fixture
def platform(tmp_path: Path) -> RecordedPlatform:
    platform = RecordedPlatform(tmp_path)
    platform.add("f", lambda _: failure(), retries=1000)
    return platform


@pytest.fixture
def client(platform: RecordedPlatform, tmp_path: Path) -> Iterator[Client]:
    with opened(platform, tmp_path) as (client, _, _):
        yield client


def test_an_instance_is_shown_with_the_steps_of_its_life(tmp_path: Path) -> None:
    with (
        Emulator([stranger(tmp_path)]) as platform,
        opened(platform, tmp_path) as (client, _, _),
    ):
        assert "No instance yet" in client.get("/instances").text
        platform.invoke(event())
        (instance,) = platform.instances()
        page = client.get("/instances").text
        assert f"process {instance.pid}, port {instance.port}, 1 call, 0 running" in page
        assert 'class="part starting"' in page
        assert 'class="part ready"' in page
        assert 'class="call"' in page
        assert "starts ./bootstrap" in page
        platform.replace([])
        wait_until(lambda: "ended with exit code" in client.get("/instances").text)
        assert "0 live" in client.get("/instances").text


def test_tasks_are_listed_by_state_and_can_be_stopped(
    platform: RecordedPlatform, tmp_path: Path
) -> None:
    with opened(platform, tmp_path) as (client, _, queue):
        queue.accept(event(b"<b>event"), "the_task")
        wait_until(lambda: "try 2" in client.get("/invocations").text)
        assert "the_task" in client.get("/queue").text
        page = client.get("/queue/f/the_task").text
        assert "&lt;b&gt;event" in page
        assert "UnhandledInvocationError" in page
        stopped = client.post("/queue/f/the_task")
        assert (stopped.status, stopped.headers["location"]) == (303, "/queue/f/the_task")
        wait_until(lambda: "Stopped" in client.get("/queue?state=Stopped").text)
        wait_until(lambda: "the_task" in client.get("/queue?state=Stopped").text)
        assert "the_task" not in client.get("/queue?state=Succeeded").text
        assert "Stop it" not in client.get("/queue/f/the_task").text


def test_the_queue_is_a_page_of_25(platform: RecordedPlatform, tmp_path: Path) -> None:
    with opened(platform, tmp_path) as (client, _, queue):
        for number in range(60):
            queue.accept(event(function="echo"), f"task_{number}_")
        page = client.get("/queue").text
        assert page.count("/queue/echo/") == 25
        assert "task_59_" in page
        assert "before=36" in page
        assert "task_34_" in client.get("/queue?before=36").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/queue/f/none", 404),
        ("/queue?before=x", 400),
        ("/queue?before=99999999999999999999", 400),
        ("/queue?state=odd%27", 200),
    ],
)
def test_odd_requests_have_a_page(client: Client, path: str, status: int) -> None:
    page = client.get(path)
    assert page.status == status
    assert page.text.startswith("\n<!doctype html>") or page.text.startswith("<!doctype html>")


def test_mistakes_of_the_configuration_stand_at_their_lines(
    platform: RecordedPlatform, tmp_path: Path
) -> None:
    file = tmp_path / "functions.yaml"
    file.write_text(CONFIG)
    with opened(platform, tmp_path, config=str(file)) as (client, console, _):
        assert "being looked at" in client.get("/configuration").text
        wait_until(lambda: "mistake" in client.get("/configuration").text)
        page = client.get("/configuration").text
        line = page.partition('id="line-5"')[2].partition("</li>")[0]
        assert "<mark>timeuot</mark>" in line
        assert "did you mean &#39;timeout&#39;?" in line
        assert "hunter2" not in page
        assert "password: •••" in page
        assert "mistakes</a> in the configuration" in client.get("/").text

        file.write_text(CONFIG.replace("    timeuot: 5\n", ""))
        console.edited()
        wait_until(lambda: "timeuot" not in client.get("/configuration").text)
        assert "broken" in client.get("/").text
        assert "there" in client.get("/functions/f").text.partition('class="finding error"')[2]


def test_a_runtime_that_is_a_command_has_no_configuration(client: Client) -> None:
    assert "given as a command" in client.get("/configuration").text
