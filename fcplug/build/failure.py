"""The error of a code package that cannot be built."""

import re

from fcplug.errors import FcplugError

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


class BuildError(FcplugError):
    """A code package cannot be built: what is wrong, the details, and the likely fix."""

    def __init__(self, what: str, *details: str, fix: str = "") -> None:
        lines = [f"error: {what}", *(f"  {line}" for text in details for line in text.splitlines())]
        lines += [f"  fix: {fix}"] if fix else []
        text = _CREDENTIALS.sub("****@", "\n".join(lines))
        super().__init__(
            "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
        )
