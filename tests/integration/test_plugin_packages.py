"""The repository's own configuration and plugins, installed and called over HTTP."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from support.deployed import ROOT, deploy, start
from support.photos import photo

CONFIG = (ROOT / "config" / "functions.yaml").read_text()


def oss_event(bucket: str, *keys: str) -> bytes:
    """Return the event of an OSS trigger, with the fields that FC sends."""
    events = [
        {
            "eventName": "ObjectCreated:PutObject",
            "eventSource": "acs:oss",
            "eventTime": "2017-04-21T12:46:37.000Z",
            "eventVersion": "1.0",
            "oss": {
                "bucket": {
                    "arn": f"acs:oss:cn-shanghai:123456789:{bucket}",
                    "name": bucket,
                    "ownerIdentity": "123456789",
                    "virtualBucket": "",
                },
                "object": {"deltaSize": 122539, "eTag": "688A7BF4", "key": key, "size": 122539},
                "ossSchemaVersion": "1.0",
                "ruleId": "9adac8e253828f4f7c0466d941fa3db81161e853",
            },
            "region": "cn-shanghai",
            "requestParameters": {"sourceIPAddress": "140.205.128.221"},
            "responseElements": {"requestId": "58F9FF2D3DF792092E12044C"},
            "userIdentity": {"principalId": "123456789"},
        }
        for key in keys
    ]
    return json.dumps({"events": events}).encode()


def test_the_configuration_of_the_repository_serves_a_photo_and_a_greeting(tmp_path: Path) -> None:
    with start(deploy(tmp_path, CONFIG)) as instance:
        assert "NOT LOADED" not in instance.log
        assert json.loads(instance.invoke("", b"Ada").body) == {"message": "Hello, Ada!"}
        small = instance.invoke("thumbnails", photo(), x_fc_request_id="r-1")
        assert small.status == 200
        image = Image.open(io.BytesIO(small.body))
        assert (image.format, image.size) == ("JPEG", (240, 320))
        (line,) = [line for line in instance.log.splitlines() if '"function"' in line]
    facts = json.loads(line.partition("[INFO] ")[2])
    assert facts.pop("duration_ms") > 0
    assert facts == {
        "function": "thumbnails",
        "request_id": "r-1",
        "outcome": "ok",
        "event_bytes": len(photo()),
        "result_bytes": len(small.body),
    }


def test_an_oss_event_makes_the_thumbnail_beside_the_object(tmp_path: Path) -> None:
    bucket = tmp_path / "buckets" / "photos"
    (bucket / "holiday").mkdir(parents=True)
    (bucket / "holiday" / "sea.jpg").write_bytes(photo())
    mount = f"mount: '{tmp_path}/buckets/{{bucket}}'"
    config = CONFIG.replace("# mount: /mnt/oss", mount)
    with start(deploy(tmp_path / "code", config)) as instance:
        answer = instance.invoke("thumbnails", oss_event("photos", "holiday/sea.jpg"))
    assert answer.status == 200, answer.body
    (written,) = json.loads(answer.body)["written"]
    assert written["thumbnail"] == "oss://photos/holiday/sea.jpg.thumb.jpg"
    with Image.open(bucket / "holiday" / "sea.jpg.thumb.jpg") as image:
        assert image.size == (written["width"], written["height"]) == (240, 320)


@pytest.mark.parametrize("event", [photo()[:5000], b"GIF89a", b"no image"])
def test_a_broken_image_is_a_clear_error(tmp_path: Path, event: bytes) -> None:
    with start(deploy(tmp_path, CONFIG)) as instance:
        answer = instance.invoke("thumbnails", event)
    document = json.loads(answer.body)
    assert (answer.status, document["errorType"]) == (404, "BadImage")
    assert str(len(event)) in document["errorMessage"]


def test_a_setting_of_the_wrong_type_is_reported_with_its_line(tmp_path: Path) -> None:
    config = CONFIG.replace("width: 320", "widht: 320\n      height: tall")
    line = config.splitlines().index("      widht: 320") + 1
    with start(deploy(tmp_path, config)) as instance:
        answer = instance.invoke("thumbnails", photo())
        assert instance.invoke("hello", b"Ada").status == 200
    document = json.loads(answer.body)
    assert document["errorType"] == "SettingsInvalid"
    assert document["errorMessage"].splitlines()[:2] == [
        f"{tmp_path}/config/functions.yaml:{line}:7: functions.thumbnails.settings: "
        "unknown key 'widht' (did you mean 'width'?)",
        f"{tmp_path}/config/functions.yaml:{line + 1}:7: functions.thumbnails.settings: "
        "height: expected a whole number, got text",
    ]
