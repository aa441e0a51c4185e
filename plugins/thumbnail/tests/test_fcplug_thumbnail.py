import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import fcplug_thumbnail
from fcplug.errors import PluginError
from fcplug.testing import Answer, Runner, check_handler
from fcplug_thumbnail import (
    BadEvent,
    BadImage,
    MountMissing,
    ThumbnailsFailed,
)

Make = Callable[..., Answer]


def picture(width: int = 400, height: int = 300, to: str = "JPEG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, to)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def oss_event(*keys: str, name: str = "ObjectCreated:PutObject") -> bytes:
    return json.dumps(
        {
            "events": [
                {
                    "eventName": name,
                    "eventSource": "acs:oss",
                    "oss": {"bucket": {"name": "testbucket"}, "object": {"key": key}},
                    "region": "cn-shanghai",
                }
                for key in keys
            ]
        }
    ).encode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def make(fc: Runner) -> Make:
    """Return what invokes the handler: ``make(event, width=100)``."""

    def invoke(event: bytes, **settings: Any) -> Answer:
        return fc.invoke("thumbnail", event, settings=settings)

    return invoke


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Return a mounted bucket with two photos and a text."""
    folder = tmp_path / "testbucket"
    (folder / "image").mkdir(parents=True)
    (folder / "image" / "a.jpg").write_bytes(picture())
    (folder / "image" / "b.png").write_bytes(picture(100, 400, "PNG"))
    (folder / "image" / "c.txt").write_bytes(b"no image")
    return folder


def error_of(answer: Answer, kind: type[Exception]) -> str:
    """Return the text of the error that an answer must have."""
    assert isinstance(answer.error, kind), answer
    return str(answer.error)


def test_an_image_is_answered_with_a_smaller_one(make: Make) -> None:
    image = opened(make(picture(640, 480)).body)
    assert (image.format, image.size) == ("JPEG", (320, 240))


def test_the_settings_choose_box_format_and_quality(make: Make) -> None:
    image = opened(make(picture(), width=100, height=20, format="webp", quality=50).body)
    assert (image.format, image.size) == ("WEBP", (27, 20))


def test_a_broken_image_is_called_the_event(make: Make) -> None:
    text = error_of(make(b"garbage"), BadImage)
    assert text.startswith("the event (7 bytes): format unknown")


def test_an_image_beyond_max_pixels_is_refused(make: Make) -> None:
    text = error_of(make(picture(), max_pixels=1000), BadImage)
    assert "400 x 300 pixels; max_pixels allows 1000" in text


def test_a_thumbnail_is_written_beside_its_object(make: Make, bucket: Path) -> None:
    report = make(oss_event("image/a.jpg", "image/b.png"), mount=str(bucket)).json()
    sizes = [
        (bucket / "image" / name).stat().st_size for name in ("a.jpg.thumb.jpg", "b.png.thumb.png")
    ]
    assert report == {
        "written": [
            {
                "source": "oss://testbucket/image/a.jpg",
                "thumbnail": "oss://testbucket/image/a.jpg.thumb.jpg",
                "width": 320,
                "height": 240,
                "size": sizes[0],
            },
            {
                "source": "oss://testbucket/image/b.png",
                "thumbnail": "oss://testbucket/image/b.png.thumb.png",
                "width": 80,
                "height": 320,
                "size": sizes[1],
            },
        ],
        "skipped": [],
    }
    image = opened((bucket / "image" / "b.png.thumb.png").read_bytes())
    assert (image.format, image.size) == ("PNG", (80, 320))


def test_a_written_thumbnail_is_called_as_what_it_is(make: Make, bucket: Path) -> None:
    make(oss_event("image/a.jpg"), mount=str(bucket), format="webp", suffix="-small")
    assert opened((bucket / "image" / "a.jpg-small.webp").read_bytes()).format == "WEBP"


def test_the_bucket_may_be_part_of_the_mount(make: Make, bucket: Path) -> None:
    make(oss_event("image/a.jpg"), mount=f"{bucket.parent}/{{bucket}}")
    assert "a.jpg.thumb.jpg" in names(bucket / "image")


def test_the_event_of_the_trigger_is_understood(
    make: Make, bucket: Path, fc_event: Callable[..., bytes]
) -> None:
    event = fc_event("oss", bucket="testbucket", key="image/a.jpg")
    (written,) = make(event, mount=str(bucket)).json()["written"]
    assert written["thumbnail"] == "oss://testbucket/image/a.jpg.thumb.jpg"


def test_an_object_at_the_top_of_the_bucket_has_its_thumbnail_there(
    make: Make, bucket: Path
) -> None:
    (bucket / "top").write_bytes(picture())
    make(oss_event("top"), mount=str(bucket))
    assert "top.thumb.jpg" in names(bucket)


def test_a_file_written_by_an_invocation_is_skipped_by_the_next(make: Make, bucket: Path) -> None:
    first = make(oss_event("image/a.jpg"), mount=str(bucket)).json()
    key = first["written"][0]["thumbnail"].removeprefix("oss://testbucket/")
    before = names(bucket / "image")
    second = make(oss_event(key), mount=str(bucket)).json()
    assert second == {
        "written": [],
        "skipped": [{"source": f"oss://testbucket/{key}", "reason": "already a thumbnail"}],
    }
    assert names(bucket / "image") == before


@pytest.mark.parametrize("suffix", [".thumb", "-small", "_t.1"])
def test_what_a_crash_leaves_is_skipped_too(make: Make, bucket: Path, suffix: str) -> None:
    (bucket / "image" / f"a.jpg{suffix}.jpg").mkdir()
    # Stopped at its last step, a write tells the name that a crash there would leave.
    error = make(oss_event("image/a.jpg"), mount=str(bucket), suffix=suffix).error
    assert isinstance(error, IsADirectoryError)
    temporary = Path(error.filename).name
    event = oss_event(f"image/{temporary}")
    report = make(event, mount=str(bucket), suffix=suffix).json()
    assert report["skipped"][0]["reason"] == "already a thumbnail"


@pytest.mark.parametrize("name", ["ObjectRemoved:DeleteObject", "ObjectModified:UpdateObjectMeta"])
def test_objects_that_were_not_created_are_skipped(make: Make, bucket: Path, name: str) -> None:
    report = make(oss_event("image/a.jpg", name=name), mount=str(bucket)).json()
    assert report == {
        "written": [],
        "skipped": [{"source": "oss://testbucket/image/a.jpg", "reason": name}],
    }


def test_folders_are_skipped(make: Make, bucket: Path) -> None:
    report = make(oss_event("image/"), mount=str(bucket)).json()
    assert report == {
        "written": [],
        "skipped": [{"source": "oss://testbucket/image/", "reason": "a folder"}],
    }


def test_an_event_without_objects_has_an_empty_report(make: Make, bucket: Path) -> None:
    report = make(oss_event(), mount=str(bucket)).json()
    assert report == {"written": [], "skipped": []}


def test_a_single_object_fails_with_its_own_error(make: Make, bucket: Path) -> None:
    text = error_of(make(oss_event("image/c.txt"), mount=str(bucket)), BadImage)
    assert text.startswith("oss://testbucket/image/c.txt (8 bytes): format")


def test_an_object_beyond_max_bytes_is_refused(make: Make, bucket: Path) -> None:
    answer = make(oss_event("image/c.txt"), mount=str(bucket), max_bytes=7)
    assert "c.txt (8 bytes): too large: max_bytes allows 7" in error_of(answer, BadImage)


def test_a_failing_object_does_not_lose_the_others(make: Make, bucket: Path) -> None:
    event = oss_event("image/c.txt", "image/a.jpg", "image/gone.jpg", "../x", "image/b.png")
    message = error_of(make(event, mount=str(bucket)), ThumbnailsFailed)
    assert message.startswith("3 of the event's objects failed: ")
    assert "oss://testbucket/image/c.txt (BadImage: " in message
    assert "oss://testbucket/image/gone.jpg (FileNotFoundError: " in message
    assert "oss://testbucket/../x (BadKey: " in message
    assert message.endswith(
        "; written: oss://testbucket/image/a.jpg.thumb.jpg, oss://testbucket/image/b.png.thumb.png"
    )
    assert {"a.jpg.thumb.jpg", "b.png.thumb.png"} < set(names(bucket / "image"))


def test_all_objects_failing_says_that_none_was_written(make: Make, bucket: Path) -> None:
    answer = make(oss_event("image/c.txt", "image/gone.jpg"), mount=str(bucket))
    assert error_of(answer, ThumbnailsFailed).endswith("; written: none")


def test_an_encoded_key_finds_its_file(make: Make, bucket: Path) -> None:
    (bucket / "image" / "é ü.jpg").write_bytes(picture())
    (written,) = make(oss_event("image%2F%C3%A9%20%C3%BC.jpg"), mount=str(bucket)).json()["written"]
    assert written["source"] == "oss://testbucket/image/é ü.jpg"
    assert "é ü.jpg.thumb.jpg" in names(bucket / "image")


def test_json_that_is_not_an_oss_event_is_refused(make: Make) -> None:
    error_of(make(b'{"triggerName": "TestTimer"}'), BadEvent)


def test_the_initializer_needs_no_mount_when_none_is_set(fc: Runner) -> None:
    assert fc.initialize("thumbnail").error is None


def test_the_initializer_accepts_a_mount_that_is_there(fc: Runner, bucket: Path) -> None:
    assert fc.initialize("thumbnail", settings={"mount": str(bucket)}).error is None


def test_the_initializer_refuses_a_missing_mount(fc: Runner, tmp_path: Path) -> None:
    answer = fc.initialize("thumbnail", settings={"mount": str(tmp_path / "absent")})
    assert error_of(answer, MountMissing).startswith("setting mount: ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width: 0 is not allowed: use 1 to 16383"),
        ({"width": 16384}, "width: 16384 is not allowed: use 1 to 16383"),
        ({"height": -1}, "height: -1 is not allowed: use 1 to 16383"),
        ({"format": "bmp"}, "format: 'bmp' is not allowed: use same, jpeg, png, gif, webp"),
        ({"quality": 0}, "quality: 0 is not allowed: use 1 to 95"),
        ({"quality": 96}, "quality: 96 is not allowed: use 1 to 95"),
        ({"max_pixels": 0}, "max_pixels: 0 is not allowed: use 1 to 89478485"),
        ({"max_pixels": 10**9}, "max_pixels: 1000000000 is not allowed: use 1 to 89478485"),
        ({"max_bytes": 0}, "max_bytes: 0 is not allowed: use 1 or more"),
        ({"mount": "mnt/oss"}, "mount: 'mnt/oss' is not allowed: use an absolute path"),
        ({"suffix": ""}, "suffix: '' is not allowed: use letters, digits, '.', '-', '_'"),
        ({"suffix": "/x"}, "suffix: '/x' is not allowed: use letters, digits, '.', '-', '_'"),
    ],
)
def test_a_setting_out_of_range_is_named(
    make: Make, settings: Mapping[str, Any], message: str
) -> None:
    text = error_of(make(picture(), **settings), PluginError)
    assert f"Thumbnail rejects its settings: {message}" in text


def test_one_object_serves_overlapping_invocations(make: Make, bucket: Path) -> None:
    settings = {"mount": str(bucket), "width": 50, "height": 50}
    shapes = [(100 + 10 * index, 100) for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        reports = pool.map(lambda _: make(oss_event("image/a.jpg"), **settings).body, shapes)
        answers = pool.map(lambda shape: make(picture(*shape), **settings).body, shapes)
    assert list(answers) == [make(picture(*shape), **settings).body for shape in shapes]
    assert len(set(reports)) == 1
    assert names(bucket / "image") == ["a.jpg", "a.jpg.thumb.jpg", "b.png", "c.txt"]


def test_the_handler_keeps_the_rules() -> None:
    check_handler("thumbnail", event=lambda number: picture(100 + number, 50))


def test_every_exported_name_exists() -> None:
    assert all(hasattr(fcplug_thumbnail, name) for name in fcplug_thumbnail.__all__)
