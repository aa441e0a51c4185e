"""``fcplug dev`` with triggers: a bucket with the thumbnail plugin, timers, edits, and mistakes."""

import re
import time
from pathlib import Path

import pytest

from support.deployed import deploy
from support.photos import photo
from support.running import dev, run, temporary
from support.waiting import wait_until

CODE = """\
def handle(event, context):
    print("got", event.decode())
"""
CONFIG = """\
version: 1
functions:
  f: {handler: index.handle}
  thumbnails:
    handler: thumbnail
    settings: {width: 20, mount: "${FCPLUG_BUCKETS:-/mnt/oss}/{bucket}"}
    triggers:
      uploads: {oss: {bucket: photos, events: ["oss:ObjectCreated:*"], suffix: .jpg}}
"""


def timer(expression: str) -> str:
    triggers = f'{{soon: {{timer: {{cron_expression: "{expression}", payload: all}}}}}}'
    return CONFIG.replace(
        "{handler: index.handle}", f"{{handler: index.handle, triggers: {triggers}}}"
    )


def soon(seconds: float) -> str:
    """Return an expression that is due each minute, the first time in so many seconds."""
    return time.strftime("%S * * * * *", time.gmtime(time.time() + seconds))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return deploy(tmp_path / "project", CONFIG, {"index.py": CODE})


@pytest.mark.slow
def test_triggers_of_the_configuration_fire_and_an_edit_of_them_takes_effect(
    project: Path,
) -> None:
    photos = project.parent / "photos"
    file = project / "config" / "functions.yaml"
    with dev(project, "--bucket", "photos=../photos") as platform:
        platform.wait_for(rf"thumbnails .*oss uploads: bucket photos is {photos}\n")
        (photos / "a.jpg").write_bytes(photo())
        platform.wait_for(r"thumbnails .*oss uploads: ObjectCreated:PutObject photos/a\.jpg  1-")
        wait_until((photos / "a.jpg.thumb.jpg").exists)
        platform.wait_for(r"thumbnails .*oss: 200 in")

        file.write_text(timer("CRON_TZ=Asia/Shanghay 0 0 4 * * *"))
        platform.wait_for(
            r"config/functions\.yaml:3:\d+: functions\.f\.triggers\.soon\.timer\.cron_expression: "
            r"this machine knows no time zone 'Asia/Shanghay' \(did you mean 'Asia/Shanghai'\?\)"
        )
        file.write_text(timer(soon(8)))
        platform.wait_for(r"f .*timer soon: next \d{4}-")
        request_id = platform.wait_for(r"f .*timer soon  (1-\S+)\n")[1]
        event = platform.wait_for(r"got (.*)\n")[1]
        assert re.fullmatch(
            r'{"triggerTime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ","triggerName":"soon","payload":"all"}',
            event,
        )
        platform.wait_for(rf"f .*timer: 200 in .*{request_id}\n")
    assert not list(temporary(project).glob("fcplug-buckets-*"))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("photos", "--bucket photos: write --bucket NAME=FOLDER"),
        ("Photos=.", "--bucket Photos=.: a bucket's name has 3 to 63 lowercase letters"),
        ("photos=no", "--bucket photos=no: no is not a folder\n  fix: mkdir -p no"),
        (
            "photos=bootstrap",
            "--bucket photos=bootstrap: bootstrap is not a folder\n  fix: name a ",
        ),
    ],
)
def test_a_bucket_that_cannot_be_mounted_is_wrong_usage(
    project: Path, given: str, error: str
) -> None:
    code, _, written = run(project, "dev", "--bucket", given)
    assert code == 2
    assert error in written


def test_a_bucket_without_a_folder_or_a_trigger_is_said(project: Path) -> None:
    with dev(project, "--bucket", "photoz=../photos") as platform:
        platform.wait_for(r"bucket photoz: no trigger is for it \(did you mean 'photos'\?\)")
        platform.wait_for(r"bucket photos has no folder here: --bucket photos=FOLDER")
