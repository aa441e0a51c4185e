"""Draw the README's picture of a terminal from what a command really prints.

``python docs_tools/terminal_picture.py`` writes ``docs/terminal.svg``. The command runs in a
terminal of its own, over a small project with three mistakes.
"""

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "terminal.svg"
COMMAND = ("check",)
COLUMNS = 92
FILES = {
    "greeter.py": "def handle(event, context):\n    return {'hello': event.decode()}\n",
    "shop.py": 'import os\n\nTABLE = os.environ["TABLE"]\n',
    "config/functions.yaml": """\
version: 1
functions:
  greet:
    handler: greeter.handel
    timeuot: 5
  shop:
    wsgi: shop:app
""",
}
# Rich's own form names fonts on another host; a picture must not load anything.
FORM = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def printed(folder: Path) -> str:
    """Return what the command prints in a terminal, colours included."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    ours, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "fcplug", *COMMAND]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    # after the last erased line: a terminal does not show the progress any more
    return shown.decode().replace("\r\n", "\n").rpartition("\x1b[2K")[2]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the last process that had the terminal has ended
        return b""


def picture(text: str) -> str:
    """Return an SVG of a terminal that shows a text with its colours."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ fcplug {' '.join(COMMAND)}", style="bold"))
    console.print(Text.from_ansi(text))
    return console.export_svg(
        title="fcplug check", theme=DIMMED_MONOKAI, code_format=FORM, unique_id="terminal"
    )


def made() -> str:
    """Return the picture as the command prints today."""
    with tempfile.TemporaryDirectory(prefix="shop-") as name:
        text = re.sub(re.escape(os.path.realpath(name)), "/home/ada/shop", printed(Path(name)))
    return picture(text)


if __name__ == "__main__":
    PICTURE.write_text(made(), "utf-8")
