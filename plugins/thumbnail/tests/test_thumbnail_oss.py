import json
from typing import Any

import pytest

from fcplug_thumbnail import BadEvent
from fcplug_thumbnail.oss import ObjectEvent, is_json, parse

RECORD: dict[str, Any] = {
    "eventName": "ObjectCreated:PutObject",
    "eventSource": "acs:oss",
    "eventTime": "2017-04-21T12:46:37.000Z",
    "eventVersion": "1.0",
    "oss": {
        "bucket": {
            "arn": "acs:oss:cn-shanghai:123456789:bucketname",
            "name": "testbucket",
            "ownerIdentity": "123456789",
            "virtualBucket": "",
        },
        "object": {
            "deltaSize": 122539,
            "eTag": "688A7BF4F233DC9C88A80BF985AB7329",
            "key": "image/a.jpg",
            "size": 122539,
        },
        "ossSchemaVersion": "1.0",
        "ruleId": "9adac8e253828f4f7c0466d941fa3db81161****",
    },
    "region": "cn-shanghai",
    "requestParameters": {"sourceIPAddress": "140.205.***.***"},
    "responseElements": {"requestId": "58F9FF2D3DF792092E12044C"},
    "userIdentity": {"principalId": "123456789"},
}


def refusal(event: bytes) -> str:
    with pytest.raises(BadEvent) as caught:
        parse(event)
    return str(caught.value)


def test_an_event_names_its_objects_in_order() -> None:
    removed = {**RECORD, "eventName": "ObjectRemoved:DeleteObject"}
    assert parse(json.dumps({"events": [RECORD, removed]}).encode()) == [
        ObjectEvent("ObjectCreated:PutObject", "testbucket", "image/a.jpg"),
        ObjectEvent("ObjectRemoved:DeleteObject", "testbucket", "image/a.jpg"),
    ]


def test_an_object_has_new_content_when_it_was_created() -> None:
    created, removed = (
        ObjectEvent(f"{name}:X", "b", "k") for name in ("ObjectCreated", "ObjectRemoved")
    )
    assert created.created
    assert not removed.created


def test_an_object_is_spelled_as_a_url() -> None:
    assert ObjectEvent("", "testbucket", "image/a.jpg").url == "oss://testbucket/image/a.jpg"


@pytest.mark.parametrize("event", [b'{"events": []}', b" \r\n\t[1]", b"{"])
def test_what_begins_with_a_bracket_is_json(event: bytes) -> None:
    assert is_json(event)


@pytest.mark.parametrize("event", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"\xff\xd8"])
def test_images_are_not_json(event: bytes) -> None:
    assert not is_json(event)


@pytest.mark.parametrize("event", [b"{", b'{"a": \xff}', b'{"a":' * 200_000])
def test_broken_json_is_refused(event: bytes) -> None:
    assert refusal(event).startswith("the event begins like JSON and is not (")


@pytest.mark.parametrize(
    "event",
    [
        b'{"triggerTime": "2022-07-29T10:02:58Z", "triggerName": "TestTimer", "payload": ""}',
        b'{"events": {}}',
        b"[1, 2]",
    ],
)
def test_json_of_another_shape_is_refused_with_the_shape_needed(event: bytes) -> None:
    message = refusal(event)
    assert message.startswith("the event is JSON and not an OSS event: send an image, or ")
    assert message.endswith("strings eventName, oss.bucket.name and oss.object.key")


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"eventName": "LogFileCreated", "eventSource": "cdn"},
        {**RECORD, "eventName": 1},
        {**RECORD, "oss": {"bucket": {"name": "testbucket"}, "object": {"size": 1}}},
    ],
)
def test_an_event_of_another_service_is_refused_with_its_place(record: object) -> None:
    event = json.dumps({"events": [RECORD, record]}).encode()
    assert refusal(event).startswith("events[1] is not one of OSS: ")
