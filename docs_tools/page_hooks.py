"""``reference/hooks.md``: the hooks of plugins and of observers, from their specifications."""

import ast
from types import ModuleType

import markdown
import source
from fcplug import hookspecs, observerspecs

_HEAD = """\
# Hooks

A plugin implements hooks with `@hookimpl` of `fcplug`. A hook may take fewer arguments than here,
since their names decide which ones it gets. [Writing plugins](../how-to/plugins.md) shows
handlers, middleware and observers.

<!-- This page is made from fcplug/hookspecs.py and fcplug/observerspecs.py: make reference -->

## Hooks of handlers and middleware

They may be `async def`. Middleware implements them as wrappers, with `@hookimpl(wrapper=True)`
and one `yield`.

"""
_OBSERVERS = """\
## Hooks of observers

An observer sees the calls of all functions, and changes no answer:
[Observers](../how-to/plugins.md#observers). Its hooks are plain functions, and must be quick,
because calls wait for them.

"""
_CALL = """\
### `Call`

"""


def make(_: str) -> str:
    """Return the page."""
    call = source.definition(observerspecs.Call)
    assert isinstance(call, ast.ClassDef)
    parts = [_HEAD, *_hooks(hookspecs), _OBSERVERS, *_hooks(observerspecs)]
    parts += [_CALL, markdown.prose(observerspecs.Call.__doc__), "\n"]
    rows = [
        (f"`{method.name}`", markdown.first_line(ast.get_docstring(method)))
        for method in source.methods(call)
        if source.is_property(method)
    ]
    return "".join([*parts, markdown.table(("property", "meaning"), rows)])


def _hooks(module: ModuleType) -> list[str]:
    parts = []
    for name in module.NAMES:
        found = source.definition(getattr(module, name))
        assert isinstance(found, source.Function)
        parts.append(f"### `{name}`\n\n```text\n{source.signature(found)}\n```\n\n")
        parts.append(markdown.prose(ast.get_docstring(found)) + "\n")
    return parts
