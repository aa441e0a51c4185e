"""Run everything whose output a page shows, and write the outputs into the pages."""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from captured import errors_page, guides, tutorial

PAGES: dict[str, Callable[[Path], None]] = {
    "errors": errors_page.write,
    "tutorial": tutorial.write,
    **{name: partial(guides.write, page) for name, page in guides.PAGES.items()},
}


def main(wanted: list[str]) -> None:
    """Write the captured outputs, or only those of the pages that are named."""
    for name in wanted or PAGES:
        with tempfile.TemporaryDirectory() as folder:
            PAGES[name](Path(folder))


main(sys.argv[1:])
