"""The files that pages load: our own, and the libraries in ``static/vendor``."""

import hashlib
from pathlib import Path

import falcon

_STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"  # their addresses change with them


class StaticFiles:
    """The files that pages load. They are read once: a console that runs does not change.

    Attributes:
        version: changes with their content.
    """

    def __init__(self) -> None:
        found = [path for path in _STATIC.rglob("*") if path.suffix in _TYPES]
        self._files = {path.name: path.read_bytes() for path in sorted(found)}
        digest = hashlib.sha256()
        for data in self._files.values():
            digest.update(data)
        self.version = digest.hexdigest()[:12]

    def on_get(self, _request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Send a file."""
        if name not in self._files:
            raise falcon.HTTPNotFound(title="There is no such file")
        response.content_type = _TYPES[Path(name).suffix]
        response.set_header("Cache-Control", _FOREVER)
        response.data = self._files[name]
