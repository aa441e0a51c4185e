"""Write the pages of the reference that are made from the code: ``make reference``.

A test makes each page again, and fails if it is not the one in ``docs/``.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))  # the contract's table is there

import page_commands  # noqa: E402
import page_contract  # noqa: E402
import page_environment  # noqa: E402
import page_errors  # noqa: E402
import page_events  # noqa: E402
import page_exit_codes  # noqa: E402
import page_hooks  # noqa: E402
import page_keys  # noqa: E402
import page_log_lines  # noqa: E402
import page_testing  # noqa: E402

DOCS = ROOT / "docs"
PAGES: Mapping[str, Callable[[str], str]] = {
    "reference/command-line.md": page_commands.make,
    "reference/configuration.md": page_keys.make,
    "reference/contract.md": page_contract.make,
    "reference/environment.md": page_environment.make,
    "reference/errors.md": page_errors.make,
    "reference/events.md": page_events.make,
    "reference/exit-codes.md": page_exit_codes.make,
    "reference/hooks.md": page_hooks.make,
    "reference/log-lines.md": page_log_lines.make,
    "reference/testing.md": page_testing.make,
}
"""The pages, each with the function that makes it from its present text."""


def made(page: str) -> str:
    """Return a page as it should be now."""
    file = DOCS / page
    return PAGES[page](file.read_text("utf-8") if file.exists() else "")


def main() -> None:
    """Write all pages, and note since when new keys are there."""
    page_keys.SINCE.write_text(json.dumps(page_keys.versions(), indent=2) + "\n", "utf-8")
    for page in PAGES:
        text, file = made(page), DOCS / page
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
            print(f"docs/{page}: written")


if __name__ == "__main__":
    main()
