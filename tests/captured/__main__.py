"""Run everything whose output a page shows, and write the outputs into the pages."""

import sys
import tempfile
from pathlib import Path

from captured import errors_page, tutorial


def main(wanted: list[str]) -> None:
    """Write the captured outputs, or only those of the pages that are named."""
    for name, write in PAGES.items():
        if not wanted or name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder))


PAGES = {"errors": errors_page.write, "tutorial": tutorial.write}

main(sys.argv[1:])
