"""Prepares the README for a package index, where its relative links would not work."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):  # type: ignore[misc]
    """Replaces relative links with links to the pages of the repository."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme in the metadata of the package."""
        repository = metadata["urls"]["Repository"]

        def absolute(match: re.Match[str]) -> str:
            image, text, target = match.groups()
            return f"{image}[{text}]({repository}/{'raw' if image else 'blob'}/main/{target})"

        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _LINK.sub(absolute, text),
        }
