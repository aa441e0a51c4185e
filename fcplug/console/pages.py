"""How pages are made: templates, and what all of them show."""

import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import falcon
import jinja2

from fcplug.console import content, source_lines
from fcplug.console.filters import outcome_of
from fcplug.console.security import Access

_HERE = Path(__file__).parent


class Pages:
    """Renders the templates of the console.

    Args:
        access: what forms carry.
        boot: names this run of the platform.
        version: names the files that pages load, so that browsers may keep them.
        facts: returns what every page shows.
    """

    def __init__(
        self, access: Access, boot: str, version: str, facts: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            csrf=access.csrf, boot=boot, version=version, source_around=source_lines.around
        )
        self._environment.filters.update(
            clock=clock,
            day=day,
            iso=iso,
            size=size,
            ms=milliseconds,
            age=age,
            printable=content.printable,
            outcome=outcome_of,
        )
        self._facts = facts

    def send(self, response: falcon.Response, template: str, **values: Any) -> None:
        """Make a page the answer."""
        response.content_type = falcon.MEDIA_HTML
        response.text = self._environment.get_template(template).render(
            now=time.time(), **self._facts(), **values
        )


def clock(seconds: float) -> str:
    """Return a time of day on this machine."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def day(seconds: float) -> str:
    """Return a date and a time of day on this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def iso(seconds: float) -> str:
    """Return a moment as machines read it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def size(count: float) -> str:
    """Return a number of bytes with its unit."""
    if count < 1024:
        return f"{count:.0f} byte{'' if count == 1 else 's'}"
    if count < 1024**2:
        return f"{count / 1024:.1f} KB"
    return f"{count / 1024**2:.1f} MB"


def milliseconds(value: float | None) -> str:
    """Return a duration with its unit."""
    if value is None:
        return "none"
    if value < 10:
        return f"{value:.1f} ms"
    if value < 10_000:
        return f"{value:,.0f} ms"
    return f"{value / 1000:,.1f} s"


def age(seconds: float) -> str:
    """Return a span of time in the largest unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
