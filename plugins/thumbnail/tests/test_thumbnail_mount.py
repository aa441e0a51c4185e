from pathlib import Path

import pytest

from fcplug_thumbnail import BadImage, BadKey, MountMissing
from fcplug_thumbnail.mount import Mount, read, write
from fcplug_thumbnail.oss import ObjectEvent


def created(key: str, bucket: str = "testbucket") -> ObjectEvent:
    return ObjectEvent("ObjectCreated:PutObject", bucket, key)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Return a mounted bucket with one object, and a secret beside the mount."""
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "oss" / "testbucket"
    (folder / "image").mkdir(parents=True)
    (folder / "image" / "a.jpg").write_bytes(b"a")
    return folder


def test_an_object_is_found_below_the_mount(bucket: Path) -> None:
    place = Mount(str(bucket)).locate(created("image/a.jpg"))
    assert place == (bucket / "image" / "a.jpg", bucket / "image")


def test_the_bucket_may_be_part_of_the_mount(bucket: Path) -> None:
    place = Mount(f"{bucket.parent}/{{bucket}}").locate(created("image/a.jpg"))
    assert place.file == bucket / "image" / "a.jpg"


@pytest.mark.parametrize("name", ["..", "../oss", "a", "", "TestBucket", "testbucket\n", "a/b"])
def test_a_bucket_name_that_oss_does_not_allow_is_refused(bucket: Path, name: str) -> None:
    with pytest.raises(BadKey, match="not a name that an OSS bucket can have"):
        Mount(f"{bucket.parent}/{{bucket}}").locate(created("image/a.jpg", name))


@pytest.mark.parametrize(
    "key",
    [
        "../secret.jpg",
        "../../secret.jpg",
        "image/../../../secret.jpg",
        "image/../image/a.jpg",
        "/etc/passwd",
        "//etc/passwd",
        "image//a.jpg",
        "./image/a.jpg",
        "..",
        "",
        "image/a.jpg\0",
    ],
)
def test_a_key_that_is_not_a_path_inside_the_mount_is_refused(bucket: Path, key: str) -> None:
    with pytest.raises(BadKey, match="not a path inside the mount"):
        Mount(str(bucket)).locate(created(key))


def test_a_link_to_a_file_outside_the_mount_is_refused(bucket: Path) -> None:
    (bucket / "link.jpg").symlink_to(bucket.parent.parent / "secret.jpg")
    with pytest.raises(BadKey, match="a link in the key leads out of the mount"):
        Mount(str(bucket)).locate(created("link.jpg"))


def test_a_link_to_a_folder_outside_the_mount_is_refused(bucket: Path) -> None:
    (bucket / "up").symlink_to(bucket.parent.parent)
    with pytest.raises(BadKey, match="a link in the key leads out of the mount"):
        Mount(str(bucket)).locate(created("up/secret.jpg"))


def test_a_way_out_of_the_mount_and_back_in_is_refused(bucket: Path) -> None:
    outside = bucket.parent.parent / "outside"
    outside.mkdir()
    (outside / "a.jpg").symlink_to(bucket / "image" / "a.jpg")
    (bucket / "out").symlink_to(outside)
    with pytest.raises(BadKey, match="a link in the key leads out of the mount"):
        Mount(str(bucket)).locate(created("out/a.jpg"))


def test_a_link_within_the_mount_is_followed_and_its_own_folder_kept(bucket: Path) -> None:
    (bucket / "link.jpg").symlink_to(bucket / "image" / "a.jpg")
    place = Mount(str(bucket)).locate(created("link.jpg"))
    assert place == (bucket / "image" / "a.jpg", bucket)


def test_the_mount_itself_may_be_a_link(bucket: Path, tmp_path: Path) -> None:
    (tmp_path / "mnt").symlink_to(bucket)
    assert Mount(str(tmp_path / "mnt")).locate(created("image/a.jpg")).folder == bucket / "image"


def test_a_link_to_itself_is_an_error_and_not_an_endless_loop(bucket: Path) -> None:
    (bucket / "loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(OSError, match=r"loop\.jpg"):
        Mount(str(bucket)).locate(created("loop.jpg"))


def test_a_missing_object_is_named(bucket: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"image/b\.jpg"):
        Mount(str(bucket)).locate(created("image/b.jpg"))


def test_a_folder_is_not_an_object(bucket: Path) -> None:
    with pytest.raises(BadKey, match="is not a file"):
        Mount(str(bucket)).locate(created("image"))


def test_a_missing_mount_is_an_error_that_names_the_setting_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(MountMissing) as caught:
        Mount(f"{tmp_path}/oss").check()
    assert str(caught.value) == (
        f"setting mount: '{tmp_path}/oss': '{tmp_path}/oss' is not a folder here: mount the "
        "bucket there in the function's OSS mount configuration, or correct the setting"
    )


def test_the_check_goes_as_far_as_the_path_names_no_bucket(tmp_path: Path) -> None:
    Mount(f"{tmp_path}/{{bucket}}/in").check()
    with pytest.raises(MountMissing):
        Mount(f"{tmp_path}/absent/{{bucket}}").check()


def test_a_bucket_that_is_not_mounted_is_an_error(bucket: Path) -> None:
    with pytest.raises(MountMissing, match="otherbucket' is not a folder here"):
        Mount(f"{bucket.parent}/{{bucket}}").locate(created("image/a.jpg", "otherbucket"))


def test_a_file_of_just_the_bytes_allowed_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    assert read(tmp_path / "a", "oss://b/a", 4) == b"1234"


def test_a_larger_file_is_refused_with_its_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    with pytest.raises(BadImage) as caught:
        read(tmp_path / "a", "oss://b/a", 4)
    assert str(caught.value) == "oss://b/a (5 bytes): too large: max_bytes allows 4"


def test_writing_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    write(tmp_path / "a", b"new", ".tmp")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"new")]


def test_writing_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "a").symlink_to("secret")
    write(tmp_path / "a", b"new", ".tmp")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "a", b"new", ".tmp")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "gone" / "a", b"new", ".tmp")


def test_a_written_file_is_as_readable_as_any(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "a", b"new", ".tmp")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
