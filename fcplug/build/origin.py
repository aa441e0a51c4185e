"""Where an installed distribution came from: an index, a folder, a wheel, or a URL."""

import json
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

Kind = Literal["index", "folder", "file", "url"]


class Origin(NamedTuple):
    """Where to get a distribution again.

    Attributes:
        kind: an ``index``, by name and version; a ``folder`` with its sources; a ``file``; a
            ``url``, of an archive or a repository.
        place: the path or the URL, empty for an index.
    """

    kind: Kind
    place: str = ""

    @property
    def path(self) -> Path:
        """The path of a folder or file."""
        return Path(self.place)


INDEX = Origin("index")


def of(distribution: Distribution) -> Origin:
    """Return where a distribution was installed from, as the installer has recorded it."""
    try:
        recorded = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return INDEX
    return _recorded(recorded) if isinstance(recorded, dict) else INDEX


def of_path(path: Path) -> Origin:
    """Return the origin of a folder or file of this machine."""
    return Origin("folder" if path.is_dir() else "file", str(path))


def of_url(url: str) -> Origin:
    """Return the origin of a URL that a requirement names."""
    if url.startswith("file:"):
        return of_path(Path(unquote(urlsplit(url).path)))
    return Origin("url", url)


def _recorded(recorded: dict[str, Any]) -> Origin:
    url = recorded.get("url")
    if not isinstance(url, str):
        return INDEX
    if vcs := recorded.get("vcs_info"):
        commit, inside = vcs.get("commit_id", ""), recorded.get("subdirectory")
        fragment = f"#subdirectory={inside}" if inside else ""
        return Origin("url", f"{vcs.get('vcs', 'git')}+{url}@{commit}{fragment}")
    if "dir_info" in recorded:
        return Origin("folder", unquote(urlsplit(url).path))
    if url.startswith("file:"):
        return Origin("file", unquote(urlsplit(url).path))
    return Origin("url", url)
