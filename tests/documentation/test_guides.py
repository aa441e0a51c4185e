"""The how-to guides: their examples run in a new project, and print what the pages show."""

from pathlib import Path

import pytest

from captured import guides
from captured.walk import normalised

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", guides.PAGES)
def test_a_guide_shows_what_its_commands_print(name: str, tmp_path: Path) -> None:
    page = guides.PAGES[name]
    walked = guides.walked(page, tmp_path)
    assert normalised(walked).splitlines() == normalised(page.read_text()).splitlines(), (
        "run make captures, and read what changed"
    )
