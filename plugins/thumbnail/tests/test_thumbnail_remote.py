"""Objects of OSS itself: the real SDK against a local OSS that checks signatures."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from oss_support import context, event, picture
from PIL import Image

from fcplug.testing import Answer, Runner
from fcplug_thumbnail import (
    BadImage,
    BadKey,
    ObjectMissing,
    StorageUnavailable,
    Thumbnail,
    ThumbnailsFailed,
)
from local_oss import Account, Exchange, Failure, LocalOSS, Stored
from oss_v4 import Scope, canonical, crc64

Call = Callable[..., Answer]


def small(oss: LocalOSS, name: str = "photos/a.jpg.thumb.jpg") -> Image.Image:
    return Image.open(io.BytesIO(oss.objects[name].data))


def done(answer: Answer) -> list[str]:
    """Return the thumbnails of a report that has nothing else."""
    report = answer.json()
    assert report["skipped"] == [], report
    return [each["thumbnail"] for each in report["written"]]


def busy(exchange: Exchange) -> None:
    exchange.fail(Failure(503, "ServiceUnavailable", "Please reduce your request rate."))


def no_answer(exchange: Exchange) -> None:
    exchange.close_connection = True


def cut(exchange: Exchange) -> None:
    """Send a third of the body that was announced, and end the connection."""
    exchange.get(write=lambda data: exchange.wfile.write(data[: len(data) // 3]))
    exchange.close_connection = True


def shorter(exchange: Exchange) -> None:
    exchange.get(exchange.oss.objects[exchange.name].data[:-100])


def altered(exchange: Exchange) -> None:
    data = exchange.oss.objects[exchange.name].data
    exchange.get(data[:-100] + bytes(byte ^ 1 for byte in data[-100:]))


def stalled(exchange: Exchange) -> None:
    def some(data: bytes) -> None:
        exchange.wfile.write(data[:100])
        exchange.oss.released.wait(60)

    exchange.get(write=some)


def test_an_object_is_read_and_its_thumbnail_written(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    answer = call("a.jpg", ada, width=100)
    stored = oss.objects["photos/a.jpg.thumb.jpg"]
    assert answer.json()["written"] == [
        {
            "source": "oss://photos/a.jpg",
            "thumbnail": "oss://photos/a.jpg.thumb.jpg",
            "width": 100,
            "height": 75,
            "size": len(stored.data),
        }
    ]
    assert small(oss).size == (100, 75)
    assert stored.headers == {"content-type": "image/jpeg", "x-oss-meta-thumbnail-of": "a.jpg"}
    assert oss.methods() == ["GET", "PUT"]


@pytest.mark.parametrize("to", ["jpeg", "png", "gif", "webp"])
def test_a_thumbnail_has_the_content_type_of_its_format(
    call: Call, oss: LocalOSS, ada: Account, to: str
) -> None:
    (url,) = done(call("a.jpg", ada, format=to))
    stored = oss.objects[url.removeprefix("oss://")]
    assert stored.headers["content-type"] == f"image/{to}"


@pytest.mark.parametrize("key", ["相册/猫 +1.jpg", "a&b=c?d#e.jpg", "100%.jpg", "é//~'!*().jpg"])
def test_an_event_names_an_object_by_its_key_or_by_its_encoded_key(
    call: Call, oss: LocalOSS, ada: Account, key: str
) -> None:
    oss.objects[f"photos/{key}"] = oss.objects.pop("photos/a.jpg")
    assert done(call(key, ada)) == [f"oss://photos/{key}.thumb.jpg"]
    del oss.objects[f"photos/{key}.thumb.jpg"]
    assert done(call(quote(key, safe=""), ada)) == [f"oss://photos/{key}.thumb.jpg"]
    stored = oss.objects[f"photos/{key}.thumb.jpg"]
    assert stored.headers["x-oss-meta-thumbnail-of"] == quote(key)


def test_a_key_that_looks_encoded_is_first_taken_as_it_is(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    oss.objects["photos/a%20b.jpg"] = Stored(picture(50, 50))
    oss.objects["photos/a b.jpg"] = Stored(picture(60, 60))
    (written,) = call("a%20b.jpg", ada).json()["written"]
    assert (written["source"], written["width"]) == ("oss://photos/a%20b.jpg", 50)


@pytest.mark.parametrize("key", ["a.jpg.thumb.jpg", "a.jpg%2Ethumb.jpg", "x/b%20.thumb.webp", "f/"])
def test_thumbnails_and_folders_need_no_request(
    call: Call, oss: LocalOSS, ada: Account, key: str
) -> None:
    report = call(key, None).json()
    assert (report["written"], len(report["skipped"]), oss.seen) == ([], 1, [])


@pytest.mark.parametrize("how", ["InitiateMultipartUpload", "UploadPart", "UploadPartCopy"])
def test_an_upload_in_parts_is_no_object_until_it_is_complete(
    call: Call, oss: LocalOSS, how: str
) -> None:
    report = call(event("a.jpg", name=f"ObjectCreated:{how}"), None).json()
    assert report["skipped"][0]["reason"] == f"ObjectCreated:{how}"


def test_a_thumbnail_is_known_by_its_metadata_under_any_name(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    call("a.jpg", ada, suffix="-old")
    oss.objects["photos/copy.jpg"] = oss.objects["photos/a.jpg-old.jpg"]
    for key in ("a.jpg-old.jpg", "copy.jpg"):
        report = call(key, ada).json()
        assert report["skipped"] == [
            {"source": f"oss://photos/{key}", "reason": "already a thumbnail"}
        ]


def test_one_event_may_fail_for_one_object_and_not_for_others(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    answer = call(event("gone.jpg", "a.jpg"), ada)
    assert isinstance(answer.error, ThumbnailsFailed)
    assert "oss://photos/gone.jpg (ObjectMissing: " in str(answer.error)
    assert "written: oss://photos/a.jpg.thumb.jpg" in str(answer.error)


def test_calls_at_once_use_their_own_credentials_over_shared_connections(
    fc: Runner, oss: LocalOSS
) -> None:
    people = [oss.add(f"person{number}") for number in range(4)]
    jobs = [(number, person) for number in range(12) for person in people]
    for number, person in jobs:
        oss.objects[f"photos/{person.key_id}/{number}.png"] = Stored(picture(40, 40, "PNG"))

    def work(job: tuple[int, Account]) -> list[str]:
        number, person = job
        sent = event(f"{person.key_id}/{number}.png")
        settings = {"endpoint": oss.url}
        return done(fc.invoke("thumbnail", sent, context=context(person), settings=settings))

    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(work, jobs))) == len(jobs)
    assert len(oss.seen) == 2 * len(jobs)
    for seen in oss.seen:
        owner = oss.accounts[seen.path.split("/")[2]]
        assert (seen.key_id, seen.headers["x-oss-security-token"]) == (owner.key_id, owner.token)
    assert len({seen.port for seen in oss.seen}) <= 8


def test_the_local_oss_signs_as_oss_does() -> None:
    # A signature that the tests of the SDK for Python, and those for other languages, have.
    headers = {
        "x-oss-head1": "value",
        "abc": "value",
        "content-type": "text/plain",
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "x-oss-date": "20231217T034736Z",
        "x-oss-security-token": "token",
    }
    query = "param1=value1&%2Bparam1=value3&%7Cparam1=value4&%2Bparam2=&%7Cparam2=&param2="
    request = canonical("PUT", f"/bucket/1234%2B-/123/1.txt?{query}", headers, "")
    signature = Scope("20231217T034736Z", "20231217", "cn-hangzhou").sign(request, "sk")
    assert signature == "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea"
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA  # the check value of CRC-64/XZ


def test_the_token_of_the_call_is_part_of_the_signature(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    call("a.jpg", ada)
    seen = oss.seen[0]
    assert oss.verify(seen.method, seen.path, seen.headers) is ada
    ada.token = "another"
    with pytest.raises(Failure, match="SignatureDoesNotMatch"):
        oss.verify(seen.method, seen.path, {**seen.headers, "x-oss-security-token": "another"})


def test_connections_are_closed_at_the_end_and_opened_again(
    fc: Runner, oss: LocalOSS, ada: Account
) -> None:
    for expected in (1, 1, 2):
        fc.invoke("thumbnail", event("a.jpg"), context=context(ada), settings={"endpoint": oss.url})
        assert len({seen.port for seen in oss.seen}) == expected
        if len(oss.seen) == 4:
            fc.stop()


@pytest.mark.parametrize("fault", [busy, no_answer], ids=["503", "no answer"])
def test_a_request_that_fails_is_sent_again(
    call: Call, oss: LocalOSS, ada: Account, fault: Any
) -> None:
    oss.faults["GET"] += [fault, fault]
    oss.faults["PUT"] += [fault]
    assert done(call("a.jpg", ada)) == ["oss://photos/a.jpg.thumb.jpg"]
    assert oss.methods() == ["GET"] * 3 + ["PUT"] * 2
    assert small(oss).size == (320, 240)


def test_a_service_that_stays_busy_is_a_clear_failure(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    oss.faults["GET"] += [busy] * 9
    answer = call("a.jpg", ada, attempts=2)
    assert isinstance(answer.error, StorageUnavailable)
    assert "ServiceUnavailable, status 503, request 5C3D" in str(answer.error)
    assert oss.methods() == ["GET"] * 2


def test_a_body_that_breaks_is_continued_where_it_broke(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    oss.objects["photos/a.jpg"] = Stored(picture(900, 700))
    oss.faults["GET"] += [cut, cut]
    done(call("a.jpg", ada))
    first, second, third, _put = oss.seen
    begins = [int(each.headers["range"][len("bytes=") : -1]) for each in (second, third)]
    assert "range" not in first.headers
    assert 0 < begins[0] < begins[1]
    assert second.headers["if-match"] == oss.objects["photos/a.jpg"].tag
    assert small(oss).size == (320, 249)


def test_an_object_that_is_replaced_meanwhile_is_read_from_its_begin(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    def replaced(exchange: Exchange) -> None:
        cut(exchange)
        oss.objects["photos/a.jpg"] = Stored(picture(100, 200))

    oss.faults["GET"].append(replaced)
    (written,) = call("a.jpg", ada).json()["written"]
    assert (written["width"], written["height"]) == (100, 200)
    assert len(oss.methods()) == 4  # the one that breaks, one that is refused, a whole one, the PUT


@pytest.mark.parametrize("fault", [shorter, altered])
def test_a_body_that_is_not_the_object_is_read_again(
    call: Call, oss: LocalOSS, ada: Account, fault: Any
) -> None:
    oss.faults["GET"] += [fault]
    done(call("a.jpg", ada))
    assert oss.methods() == ["GET", "GET", "PUT"]
    oss.faults["GET"] += [fault] * 3
    answer = call("a.jpg", ada)
    assert isinstance(answer.error, StorageUnavailable)
    assert "incomplete or damaged, after 3 requests" in str(answer.error)


def test_a_thumbnail_that_arrives_damaged_is_sent_again(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    def damaged(exchange: Exchange) -> None:
        exchange.put(b"damaged")

    oss.faults["PUT"] += [damaged, damaged]
    done(call("a.jpg", ada))
    assert oss.methods() == ["GET", "PUT", "PUT", "PUT"]
    assert small(oss).size == (320, 240)
    oss.faults["PUT"] += [damaged] * 3
    answer = call("a.jpg", ada)
    assert isinstance(answer.error, StorageUnavailable)
    assert "cannot write it at" in str(answer.error)


def test_a_body_that_stops_coming_ends_before_the_call_does(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    oss.faults["GET"] += [stalled] * 3
    begun = time.monotonic()
    answer = call("a.jpg", ada, headers={"x-fc-function-timeout": "2"})
    assert time.monotonic() - begun < 18  # the SDK's own limit is 20 seconds
    assert isinstance(answer.error, StorageUnavailable)
    assert "raise its timeout" in str(answer.error)


def test_a_call_without_time_sends_nothing(oss: LocalOSS, ada: Account) -> None:
    late = context(ada).for_function({}, 0.1)
    with pytest.raises(StorageUnavailable, match="no time left after 0 requests"):
        Thumbnail(endpoint=oss.url).invoke(event("a.jpg"), late)
    assert oss.seen == []


def test_a_large_object_is_rejected_by_its_length_alone(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    ended = threading.Event()

    def huge(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(10**12))
        exchange.end_headers()
        exchange.wfile.write(b"x" * 1000)
        with suppress(ConnectionResetError):
            exchange.rfile.read()  # until the client closes the connection
        exchange.close_connection = True
        ended.set()

    oss.faults["GET"].append(huge)
    answer = call("a.jpg", ada)
    assert isinstance(answer.error, BadImage)
    assert "(1000000000000 bytes): too large: max_bytes allows 33554432" in str(answer.error)
    assert ended.wait(60)


def test_a_compressed_object_counts_as_what_it_unpacks_to(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    encoded = {"content-encoding": "gzip"}
    oss.objects["photos/a.jpg"] = Stored(gzip.compress(picture()), encoded)
    oss.faults["GET"] += [cut, cut]
    done(call("a.jpg", ada))
    assert not [each for each in oss.seen if "range" in each.headers]
    oss.objects["photos/a.jpg"] = Stored(gzip.compress(bytes(10**8)), encoded)
    answer = call("a.jpg", ada, max_bytes=10**6)
    assert isinstance(answer.error, BadImage)
    assert "max_bytes allows 1000000" in str(answer.error)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "(0 bytes): format unknown"),
        (b"no image", "(8 bytes): format unknown"),
        (picture()[:5000], "(5000 bytes): truncated or damaged"),
        (picture(3000, 2000, "GIF", 0), "too large: 3000 x 2000 pixels; max_pixels allows 5000000"),
    ],
    ids=["empty", "no image", "truncated", "bomb"],
)
def test_an_object_that_is_no_good_image_is_rejected(
    call: Call, oss: LocalOSS, ada: Account, data: bytes, text: str
) -> None:
    oss.objects["photos/a.jpg"] = Stored(data)
    answer = call("a.jpg", ada, max_pixels=5_000_000)
    assert isinstance(answer.error, BadImage)
    assert "oss://photos/a.jpg (" in str(answer.error)
    assert text in str(answer.error)
    assert oss.methods() == ["GET"]


@pytest.mark.parametrize(
    "key",
    ["", "..", "x/../a.jpg", "./a.jpg", "/a.jpg", "\\a.jpg", "\ud800.jpg", "k" * 1024, "%2e%2e/a"],
)
def test_a_key_that_is_no_path_in_the_bucket_is_never_signed(
    call: Call, oss: LocalOSS, ada: Account, key: str
) -> None:
    answer = call(key, ada)
    assert isinstance(answer.error, BadKey), answer
    assert [each.path for each in oss.seen] in ([], ["/photos/%252e%252e/a"])


def test_a_key_that_leaves_no_room_for_the_ending_is_rejected(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    key = "k" * 1020
    oss.objects[f"photos/{key}"] = oss.objects["photos/a.jpg"]
    assert isinstance(call(key, ada).error, BadKey)


@pytest.mark.parametrize("bucket", ["", "..", "Photos", "photos/x", "evil.example.com"])
def test_a_name_that_no_bucket_can_have_is_rejected(
    call: Call, oss: LocalOSS, ada: Account, bucket: str
) -> None:
    assert isinstance(call(event("a.jpg", bucket=bucket), ada).error, BadKey)
    assert oss.seen == []


def test_an_event_of_32_mb_is_read_or_rejected(call: Call, oss: LocalOSS, ada: Account) -> None:
    document = json.loads(event("a.jpg"))
    document["events"][0]["padding"] = "x" * 32 * 1024 * 1024
    assert done(call(json.dumps(document).encode(), ada)) == ["oss://photos/a.jpg.thumb.jpg"]
    assert isinstance(call(b"x" * 32 * 1024 * 1024, ada).error, BadImage)


def test_an_object_deleted_after_its_event_is_a_clear_failure(
    call: Call, oss: LocalOSS, ada: Account
) -> None:
    del oss.objects["photos/a.jpg"]
    answer = call("a.jpg", ada)
    assert isinstance(answer.error, ObjectMissing)
    assert oss.methods() == ["GET"]
    assert "it was deleted or renamed after the event" in str(answer.error)
