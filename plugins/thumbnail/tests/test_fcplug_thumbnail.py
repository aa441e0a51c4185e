import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from io import BytesIO
from pathlib import Path
from typing import Any

import pluggy
import pytest
from PIL import Image

import fcplug_thumbnail
from fcplug import Context, hookspecs
from fcplug_thumbnail import BadEvent, BadImage, MountMissing, Thumbnail, ThumbnailsFailed


def picture(width: int = 400, height: int = 300, to: str = "JPEG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, to)
    return out.getvalue()


def opened(data: object) -> Image.Image:
    assert isinstance(data, bytes)
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
def bucket(tmp_path: Path) -> Path:
    """Return a mounted bucket with two photos and a text."""
    folder = tmp_path / "testbucket"
    (folder / "image").mkdir(parents=True)
    (folder / "image" / "a.jpg").write_bytes(picture())
    (folder / "image" / "b.png").write_bytes(picture(100, 400, "PNG"))
    (folder / "image" / "c.txt").write_bytes(b"no image")
    return folder


def test_an_image_is_answered_with_a_smaller_one() -> None:
    image = opened(Thumbnail().invoke(picture(640, 480)))
    assert (image.format, image.size) == ("JPEG", (320, 240))


def test_the_settings_choose_box_format_and_quality() -> None:
    small = Thumbnail(width=100, height=20, format="webp", quality=50).invoke(picture())
    image = opened(small)
    assert (image.format, image.size) == ("WEBP", (27, 20))


def test_a_broken_image_is_called_the_event() -> None:
    with pytest.raises(BadImage, match=r"^the event \(7 bytes\): format unknown"):
        Thumbnail().invoke(b"garbage")


def test_an_image_beyond_max_pixels_is_refused() -> None:
    with pytest.raises(BadImage, match="400 x 300 pixels; max_pixels allows 1000"):
        Thumbnail(max_pixels=1000).invoke(picture())


def test_a_thumbnail_is_written_beside_its_object(bucket: Path) -> None:
    report = Thumbnail(mount=str(bucket)).invoke(oss_event("image/a.jpg", "image/b.png"))
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


def test_a_written_thumbnail_is_called_as_what_it_is(bucket: Path) -> None:
    thumbnail = Thumbnail(mount=str(bucket), format="webp", suffix="-small")
    thumbnail.invoke(oss_event("image/a.jpg"))
    assert opened((bucket / "image" / "a.jpg-small.webp").read_bytes()).format == "WEBP"


def test_the_bucket_may_be_part_of_the_mount(bucket: Path) -> None:
    Thumbnail(mount=f"{bucket.parent}/{{bucket}}").invoke(oss_event("image/a.jpg"))
    assert "a.jpg.thumb.jpg" in names(bucket / "image")


def test_an_object_at_the_top_of_the_bucket_has_its_thumbnail_there(bucket: Path) -> None:
    (bucket / "top").write_bytes(picture())
    Thumbnail(mount=str(bucket)).invoke(oss_event("top"))
    assert "top.thumb.jpg" in names(bucket)


def test_a_file_written_by_an_invocation_is_skipped_by_the_next(bucket: Path) -> None:
    thumbnail = Thumbnail(mount=str(bucket))
    first: Any = thumbnail.invoke(oss_event("image/a.jpg"))
    key = first["written"][0]["thumbnail"].removeprefix("oss://testbucket/")
    before = names(bucket / "image")
    second: Any = thumbnail.invoke(oss_event(key))
    assert second == {
        "written": [],
        "skipped": [{"source": f"oss://testbucket/{key}", "reason": "already a thumbnail"}],
    }
    assert names(bucket / "image") == before


@pytest.mark.parametrize("suffix", [".thumb", "-small", "_t.1"])
def test_what_a_crash_leaves_is_skipped_too(bucket: Path, suffix: str) -> None:
    (bucket / "image" / f"a.jpg{suffix}.jpg").mkdir()
    thumbnail = Thumbnail(mount=str(bucket), suffix=suffix)
    # Stopped at its last step, a write tells the name that a crash there would leave.
    with pytest.raises(IsADirectoryError) as caught:
        thumbnail.invoke(oss_event("image/a.jpg"))
    temporary = Path(caught.value.filename).name
    report: Any = thumbnail.invoke(oss_event(f"image/{temporary}"))
    assert report["skipped"][0]["reason"] == "already a thumbnail"


@pytest.mark.parametrize("name", ["ObjectRemoved:DeleteObject", "ObjectModified:UpdateObjectMeta"])
def test_objects_that_were_not_created_are_skipped(bucket: Path, name: str) -> None:
    report: Any = Thumbnail(mount=str(bucket)).invoke(oss_event("image/a.jpg", name=name))
    assert report == {
        "written": [],
        "skipped": [{"source": "oss://testbucket/image/a.jpg", "reason": name}],
    }


def test_folders_are_skipped(bucket: Path) -> None:
    report: Any = Thumbnail(mount=str(bucket)).invoke(oss_event("image/"))
    assert report == {
        "written": [],
        "skipped": [{"source": "oss://testbucket/image/", "reason": "a folder"}],
    }


def test_an_event_without_objects_has_an_empty_report(bucket: Path) -> None:
    report = Thumbnail(mount=str(bucket)).invoke(oss_event())
    assert report == {"written": [], "skipped": []}


def test_a_single_object_fails_with_its_own_error(bucket: Path) -> None:
    with pytest.raises(BadImage, match=r"^oss://testbucket/image/c\.txt \(8 bytes\): format"):
        Thumbnail(mount=str(bucket)).invoke(oss_event("image/c.txt"))


def test_an_object_beyond_max_bytes_is_refused(bucket: Path) -> None:
    with pytest.raises(BadImage, match=r"c\.txt \(8 bytes\): too large: max_bytes allows 7"):
        Thumbnail(mount=str(bucket), max_bytes=7).invoke(oss_event("image/c.txt"))


def test_a_failing_object_does_not_lose_the_others(bucket: Path) -> None:
    event = oss_event("image/c.txt", "image/a.jpg", "image/gone.jpg", "../x", "image/b.png")
    with pytest.raises(ThumbnailsFailed) as caught:
        Thumbnail(mount=str(bucket)).invoke(event)
    message = str(caught.value)
    assert message.startswith("3 of the event's objects failed: ")
    assert "oss://testbucket/image/c.txt (BadImage: " in message
    assert "oss://testbucket/image/gone.jpg (FileNotFoundError: " in message
    assert "oss://testbucket/../x (BadKey: " in message
    assert message.endswith(
        "; written: oss://testbucket/image/a.jpg.thumb.jpg, oss://testbucket/image/b.png.thumb.png"
    )
    assert {"a.jpg.thumb.jpg", "b.png.thumb.png"} < set(names(bucket / "image"))


def test_all_objects_failing_says_that_none_was_written(bucket: Path) -> None:
    with pytest.raises(ThumbnailsFailed, match=r"; written: none$"):
        Thumbnail(mount=str(bucket)).invoke(oss_event("image/c.txt", "image/gone.jpg"))


def test_an_oss_event_without_a_mount_names_the_setting() -> None:
    with pytest.raises(MountMissing, match="needs the setting mount"):
        Thumbnail().invoke(oss_event("image/a.jpg"))


def test_json_that_is_not_an_oss_event_is_refused() -> None:
    with pytest.raises(BadEvent):
        Thumbnail().invoke(b'{"triggerName": "TestTimer"}')


def test_the_initializer_needs_no_mount_when_none_is_set() -> None:
    Thumbnail().initialize()


def test_the_initializer_accepts_a_mount_that_is_there(bucket: Path) -> None:
    Thumbnail(mount=str(bucket)).initialize()


def test_the_initializer_refuses_a_missing_mount(tmp_path: Path) -> None:
    with pytest.raises(MountMissing, match=r"^setting mount: "):
        Thumbnail(mount=str(tmp_path / "absent")).initialize()


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
def test_a_setting_out_of_range_is_named(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as caught:
        Thumbnail(**settings)
    assert str(caught.value) == message


def test_one_object_serves_overlapping_invocations(bucket: Path) -> None:
    thumbnail = Thumbnail(mount=str(bucket), width=50, height=50)
    shapes = [(100 + 10 * index, 100) for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        same_object = [pool.submit(thumbnail.invoke, oss_event("image/a.jpg")) for _ in shapes]
        answers = list(pool.map(lambda shape: thumbnail.invoke(picture(*shape)), shapes))
    assert answers == [thumbnail.invoke(picture(*shape)) for shape in shapes]
    assert len({json.dumps(written.result()) for written in same_object}) == 1
    assert names(bucket / "image") == ["a.jpg", "a.jpg.thumb.jpg", "b.png", "c.txt"]


def test_the_handler_implements_hooks_that_exist() -> None:
    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    plugins.register(Thumbnail())
    plugins.check_pending()
    context = Context.from_headers({}, {})
    plugins.hook.initialize(context=context)
    assert opened(plugins.hook.invoke(event=picture(), context=context)).size == (320, 240)


def test_the_package_offers_the_handler_thumbnail() -> None:
    (offered,) = entry_points(group="fcplug.handlers", name="thumbnail")
    assert offered.load() is Thumbnail


def test_every_exported_name_exists() -> None:
    assert all(hasattr(fcplug_thumbnail, name) for name in fcplug_thumbnail.__all__)
