"""The README as a package index shows it: there its relative links would lead nowhere."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):  # type: ignore[misc]
    """Turns links to files of the repository into links to their pages there."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme of the package's metadata."""
        repository = metadata["urls"]["Repository"]

        def absolute(match: re.Match[str]) -> str:
            image, text, target = match.groups()
            return f"{image}[{text}]({repository}/{'raw' if image else 'blob'}/main/{target})"

        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _LINK.sub(absolute, text),
        }
