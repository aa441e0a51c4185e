"""``reference/log-lines.md``: what the runtime writes to its log, from the calls in the code.

Level and text come from the code. What a line means is the page's own text.
"""

import ast
import re
from collections.abc import Iterator

import markdown
import source

_LEVELS = {
    "critical": "CRITICAL", "error": "ERROR", "exception": "ERROR", "warning": "WARNING",
    "info": "INFO", "_warn": "WARNING", "_warn_once": "WARNING",
}  # fmt: skip
_PACKAGES = (
    "app", "concurrency", "config", "instance", "logs", "plugins", "process", "runtime", "server",
    "web", "workers", "wsgi",
)  # fmt: skip


def make(page: str) -> str:
    """Return the page with the lines that the code writes now."""
    meanings = markdown.kept(markdown.block(page, "log lines"), "what to do")
    rows = [(text, level, meanings.get(text, "")) for text, level in sorted(set(_lines()))]
    return markdown.replaced(
        page, {"log lines": markdown.table(("text", "level", "what to do"), rows)}
    )


def _lines() -> Iterator[tuple[str, str]]:
    """Yield the text and the level of each record that the runtime logs."""
    for file in source.files():
        package = file.relative_to(source.PACKAGE).parts[0].removesuffix(".py")
        if package in _PACKAGES:
            for node in ast.walk(source.tree(file)):
                yield from _record(node)


def _record(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Attribute(value=logger, attr="log"), args=[level, text, *_]):
            named = re.findall(r"logging\.([A-Z]+)", ast.unparse(level))
            levels = ", ".join(dict.fromkeys(named))
        case ast.Call(func=ast.Attribute(value=logger, attr=level), args=[text, *_]):
            levels = _LEVELS.get(level, "")
        case ast.Assign(targets=[ast.Name(id="message")], value=text):
            logger, levels = ast.Name(id="log"), "WARNING"  # for _warn_once
        case _:
            return
    is_log = ast.unparse(logger) in ("log", "self", "logging.getLogger('fcplug')")
    if not (is_log and levels and isinstance(text, ast.Constant)):
        return
    if re.search(r"[a-z]{3}", str(text.value)):
        yield _shown(str(text.value)), levels


def _shown(text: str) -> str:
    """Return a text with the places of its values."""
    shown = " ".join(re.sub(r"%[-.0-9]*[a-z]", "…", text).replace("%%", "%").split())
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"
