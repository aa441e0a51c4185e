"""The README's picture of a terminal shows what the command prints today."""

import re

import pytest

import terminal_picture


def shown(picture: str) -> list[str]:
    """Return the texts of a picture: how Rich draws them may change with its version."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


@pytest.mark.slow
def test_the_picture_of_the_terminal_is_what_fcplug_check_prints() -> None:
    texts = shown(terminal_picture.PICTURE.read_text("utf-8"))
    assert texts == shown(terminal_picture.made()), "run python docs_tools/terminal_picture.py"
    assert "timeuot" in "".join(texts)
