"""The places that a comparison leaves out."""

import pytest

from fcplug.recording.ignored import Ignored, InvalidPath, Path, shown


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$", ()),
        ("$.time", ("time",)),
        ("$.a.b", ("a", "b")),
        ("$.items[0].id", ("items", 0, "id")),
        ("$.items[*].id", ("items", 7, "id")),
        ("$.*", ("anything",)),
        ("$.*.id", ("a", "id")),
        ("$..id", ("id",)),
        ("$..id", ("a", 3, "id")),
        ("$..items[*].id", ("a", "items", 3, "id")),
        ("$['a b']['c']", ("a b", "c")),
        ("$.x-y", ("x-y",)),
    ],
)
def test_a_path_is_left_out(text: str, path: Path) -> None:
    assert Ignored([text]).path(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$.time", ("times",)),
        ("$.time", ("a", "time")),
        ("$.items[0]", ("items", 1)),
        ("$.items[*]", ("items",)),
        ("$..id", ("id", "a")),
        ("$.0", (0,)),
        ("headers.x", ("headers", "x")),
    ],
)
def test_another_path_is_not(text: str, path: Path) -> None:
    assert not Ignored([text]).path(path)


def test_names_are_left_out() -> None:
    ignored = Ignored(["status", "headers.ETag"])
    assert ignored.name("status")
    assert ignored.name("headers.etag")
    assert not ignored.name("errorType")


@pytest.mark.parametrize(
    "text", ["", "time", "$time", "$.", "$.a.", "$.a[", "$[x]", "$.a b[-1]", "..a", "Status"]
)
def test_what_names_no_place_is_an_error_with_examples(text: str) -> None:
    with pytest.raises(InvalidPath, match=r"write \$\.time"):
        Ignored([text])


@pytest.mark.parametrize("path", [(), ("a", 0, "b c", "d-e"), ("..", "*")])
def test_a_path_that_is_shown_can_be_left_out(path: Path) -> None:
    assert Ignored([shown(path)]).path(path)
