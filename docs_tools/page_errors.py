"""``reference/errors.md``: the classes of ``fcplug.errors``, as a tree and one by one."""

import inspect

import markdown
from fcplug import errors

_HEAD = """\
# Error types

All errors that fcplug raises on purpose are in `fcplug.errors`. The name of the class is the
`errorType` that a caller gets, unless the class says otherwise. [Error
messages](../how-to/errors.md) lists the texts, with cause and fix.

<!-- This page is made from fcplug/errors.py: make reference -->

"""


def make(_: str) -> str:
    """Return the page."""
    tree = inspect.cleandoc(errors.__doc__ or "").split("::\n\n")[1].split("\n\n")[0]
    parts = [_HEAD, f"```text\n{inspect.cleandoc(tree)}\n```\n\n"]
    for cls in _classes():
        parts.append(f"## `{cls.__name__}`\n\n{markdown.prose(cls.__doc__)}\n")
    return "".join(parts).rstrip() + "\n"


def _classes() -> list[type[errors.FcplugError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.FcplugError)
    ]
