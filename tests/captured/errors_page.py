"""The page of errors: its messages, and what provokes them."""

from pathlib import Path

from captured import calls, commands, configuration, platform, plugins, sections, starting
from captured.registry import MESSAGES
from captured.scene import Scene, Shown
from support.deployed import ROOT

PAGE = ROOT / "docs/how-to/errors.md"
PROVOKED = (starting, configuration, plugins, calls, platform, commands)  # they fill the registry


def provoke(heading: str, folder: Path) -> Shown:
    """Provoke a message in a folder of its own."""
    place = folder / "shop"
    place.mkdir()
    return MESSAGES[heading].provoke(Scene(place))


def write(folder: Path) -> None:
    """Write all messages into the page."""
    found = {}
    for number, heading in enumerate(MESSAGES):
        own = folder / str(number)
        own.mkdir()
        found[heading] = provoke(heading, own).text
    PAGE.write_text(sections.write(PAGE.read_text(), found))
