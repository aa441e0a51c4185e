"""The event of a trigger of OSS: which triggers get it, and what is in it."""

from pathlib import Path

import pytest

from fcplug.events import OSSEvent
from fcplug.events.decoding import decode
from fcplug.platform.bucket_event import ObjectChange, event, event_name
from fcplug.platform.model import BucketTrigger, FunctionConfig

PUT = ObjectChange("photos", "a/1.jpg", False, 5, 3, "ETAG", 1_800_000_000.25)
GONE = PUT._replace(removed=True, size=0, before=5, etag="")


def trigger(*events: str, prefix: str = "", suffix: str = "") -> BucketTrigger:
    return BucketTrigger(
        function="f", name="t", bucket="photos", events=events, prefix=prefix, suffix=suffix
    )


@pytest.mark.parametrize(
    ("events", "put", "gone"),
    [
        (["oss:ObjectCreated:*"], "ObjectCreated:PutObject", ""),
        (["oss:ObjectRemoved:*"], "", "ObjectRemoved:DeleteObject"),
        (["oss:ObjectCreated:CopyObject"], "ObjectCreated:CopyObject", ""),
        (
            ["oss:ObjectRemoved:DeleteObjects", "oss:ObjectCreated:PutObject"],
            "ObjectCreated:PutObject",
            "ObjectRemoved:DeleteObjects",
        ),
        (["oss:ObjectCreated:UploadPart", "oss:ObjectRemoved:AbortMultipartUpload"], "", ""),
    ],
)
def test_a_trigger_gets_the_events_that_it_names(events: list[str], put: str, gone: str) -> None:
    assert event_name(trigger(*events), PUT) == put
    assert event_name(trigger(*events), GONE) == gone


@pytest.mark.parametrize(
    ("prefix", "suffix", "fits"),
    [("a/", ".jpg", True), ("b/", "", False), ("", ".png", False), ("a/1.jpg", "a/1.jpg", True)],
)
def test_prefix_and_suffix_filter_the_keys(prefix: str, suffix: str, fits: bool) -> None:
    found = event_name(trigger("oss:ObjectCreated:*", prefix=prefix, suffix=suffix), PUT)
    assert bool(found) == fits


def test_a_change_of_another_bucket_is_none_of_its_business() -> None:
    assert not event_name(trigger("oss:ObjectCreated:*"), PUT._replace(bucket="other"))


def test_the_event_decodes_into_the_type_of_an_oss_trigger() -> None:
    function = FunctionConfig(name="f", folder=Path())
    (record,) = decode(event(function, trigger("oss:ObjectCreated:*"), PUT), OSSEvent).events
    assert (record.event_name, record.bucket, record.key) == (
        "ObjectCreated:PutObject",
        "photos",
        "a/1.jpg",
    )
    assert (record.oss.object.size, record.oss.object.delta_size) == (5, 2)
    assert (record.oss.object.e_tag, record.event_time) == ("ETAG", "2027-01-15T08:00:00.250Z")
    assert record.oss.object.object_meta is not None
    assert record.oss.object.object_meta.mime_type == "image/jpeg"
    assert record.region == "cn-hangzhou"


def test_a_removed_object_has_no_content() -> None:
    function = FunctionConfig(name="f", folder=Path())
    (record,) = decode(event(function, trigger("oss:ObjectRemoved:*"), GONE), OSSEvent).events
    assert (record.oss.object.size, record.oss.object.delta_size) == (0, -5)
