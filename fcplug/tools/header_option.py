"""The headers of a call, as the command line names them."""

import re
from collections.abc import Iterable

from fcplug.tools.exit_code import WrongUsage


def parsed(headers: Iterable[str]) -> dict[str, str]:
    """Return headers, each ``NAME: VALUE``, by their lower-case names.

    Raises:
        WrongUsage: one is not a header.
    """
    fields = {}
    for header in headers:
        name, colon, value = header.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not name or not name.isascii():
            shown = re.split(r"[^\w-]", header)[0]  # the rest may be a secret
            raise WrongUsage(f"the header {shown!r} is not 'NAME: VALUE'")
        if not (header.isascii() and header.isprintable()):
            raise WrongUsage(f"the header {name!r} has a value that is not printable ASCII")
        fields[name] = value
    return fields
