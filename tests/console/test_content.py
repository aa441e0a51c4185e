"""What functions send, as a page can show it."""

import json

import pytest

from fcplug.console import content

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def test_json_is_laid_out() -> None:
    shown = content.of_bytes(b'{"a": [1, "\xc3\xa9"]}')
    assert (shown.kind, shown.size, shown.note) == ("json", 16, "")
    assert shown.text == json.dumps({"a": [1, "é"]}, indent=2, ensure_ascii=False)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"plain", "text"),
        (b"{not json", "text"),
        (b"[" * 100_000, "text"),
        ("é".encode() * 50_000, "text"),  # cut in the middle of a character
        (b"\xff\xfe\x00", "bytes"),
        (b"text\0", "bytes"),
        (PNG, "image"),
        (b"GIF89a...", "image"),
        (b"\xff\xd8\xff\xe0", "image"),
        (b"RIFF....WEBPVP8 ", "image"),
        (b"RIFF....WAVEfmt ", "text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "text"),  # it could run
    ],
)
def test_each_content_is_shown_as_what_it_is(data: bytes, kind: str) -> None:
    assert content.of_bytes(data).kind == kind


@pytest.mark.parametrize("data", [b"x" * 50_000_000, b'{"a": "' + b"y" * 50_000_000 + b'"}', PNG])
def test_what_is_shown_is_bounded(data: bytes) -> None:
    shown = content.of_bytes(data)
    assert len(shown.text) <= content.MOST
    assert shown.size == len(data)


def test_bytes_are_shown_with_their_places() -> None:
    shown = content.of_bytes(b"\x00\x01abc" + bytes(600))
    first, *rest = shown.text.splitlines()
    assert first.startswith("00000000  00 01 61 62 63 00")
    assert first.endswith("..abc...........")
    assert (len(rest), shown.note) == (31, "the first 512 bytes")


def test_a_log_is_shown_from_its_end_without_colours_and_secrets() -> None:
    log = b"x" * 100_000 + b"\n\x1b[31mred\x1b[0m key=LTAIsecret \x1b]0;title\x07\n"
    shown = content.of_log(log, ["LTAIsecret"])
    assert shown.text.endswith("\nred key=••• \\x1b]0;title\\x07\n")
    assert (shown.size, shown.note) == (len(log), "the last 64 KB")


def test_marks_that_turn_the_order_of_a_text_are_written_out() -> None:
    assert content.printable("ok\u202egnp.exe\tx\r\n\x00") == "ok\\u202egnp.exe\tx\n\\x00"


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Fc-Access-Key-Secret"])
def test_headers_that_can_be_credentials_are_hidden(name: str) -> None:
    assert content.header_value(name, "value") == "•••"
    assert content.header_value("content-type", "text/html") == "text/html"
