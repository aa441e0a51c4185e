"""``reference/environment.md``: the variables that fcplug reads or sets, from its code.

Names and users come from the code. What a variable means is the page's own text.
"""

import ast
import re
from collections.abc import Iterator

import markdown
import source

_NAME = re.compile(r"_?(?:FC|FCPLUG|ALIBABA_CLOUD|RAY|SOURCE_DATE)_[A-Z_]+|TMPDIR")
_USERS = {
    "build": "`fcplug build`", "inspection": "`fcplug doctor`", "manifests": "`fcplug manifest`",
    "platform": "`fcplug dev`", "ray": "`fcplug ray`", "cli.py": "the shell",
}  # fmt: skip


def make(page: str) -> str:
    """Return the page with the variables that the code names now."""
    meanings = markdown.kept(markdown.block(page, "variables"), "meaning")
    users: dict[str, set[str]] = {}
    for name, user in _found():
        users.setdefault(name, set()).add(user)
    rows = [
        (f"`{name}`", ", ".join(sorted(who)), meanings.get(f"`{name}`", ""))
        for name, who in sorted(users.items())
    ]
    return markdown.replaced(
        page, {"variables": markdown.table(("variable", "used by", "meaning"), rows)}
    )


def _found() -> Iterator[tuple[str, str]]:
    """Yield the name and a user of each variable: the runtime, or a command."""
    for file in source.files():
        for node in ast.walk(source.tree(file)):
            if isinstance(node, ast.Constant) and _NAME.fullmatch(str(node.value)):
                yield str(node.value), _user(file.relative_to(source.PACKAGE).parts)
    script = (source.PACKAGE / "assets" / "bootstrap").read_text("utf-8")
    for name in set(re.findall(r"\$\{(FC\w+)", script)):
        yield name, "`bootstrap`"


def _user(parts: tuple[str, ...]) -> str:
    if parts[0] == "tools":
        command = parts[1].removesuffix(".py").partition("_")[0]
        return f"`fcplug {command}`"
    return _USERS.get(parts[0], "the runtime")
