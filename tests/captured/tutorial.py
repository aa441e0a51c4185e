"""The tutorial, done from top to bottom: files are written, commands run, outputs captured."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from captured.scene import HOME
from support.deployed import ROOT
from support.environments import Environment
from support.packages import target_options
from support.waiting import wait_until

PAGE = ROOT / "docs/tutorial/index.md"
PICTURE = PAGE.with_name("console.png")
_BLOCK = re.compile(
    r"(?P<before>(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<kind>\w+)\n)"
    r"(?P<text>.*?)(?P<after>^```$)",
    re.MULTILINE | re.DOTALL,
)
_ADDRESSES = re.compile(r"(http://127\.0\.0\.1:(\d+)), console: (http://127\.0\.0\.1:(\d+)),")
_PORTS = ("--port", "0", "--console-port", "0")  # those of the page may be in use
_WIDTH = {"COLUMNS": "100", "NO_COLOR": "1"}


class Walk:
    """A walk through the tutorial, in a folder.

    Args:
        folder: an empty folder.
        variables: the environment of a terminal in which fcplug is installed.
        look: called with the address of the console, when the page has come to it.
    """

    def __init__(
        self, folder: Path, variables: Mapping[str, str], look: Callable[[str], None]
    ) -> None:
        self._top = self._folder = folder
        self._variables = {**variables, **_WIDTH, "TMPDIR": str(folder)}
        self._look = look
        self._platform: subprocess.Popen[bytes] | None = None
        self._log = folder / "dev.log"
        self._read = 0  # characters of the log that are on the page

    def done(self, page: str) -> str:
        """Return the page with the outputs of this walk."""
        try:
            return _BLOCK.sub(self._block, page)
        finally:
            self._end_platform()

    def _block(self, block: re.Match[str]) -> str:
        note, kind, text = block["note"] or "", block["kind"], block["text"]
        if kind in ("python", "yaml"):
            self._file(text, made=note.startswith("made by"))
        elif note == "background":
            (command,) = _commands(text)
            text = f"$ {command}\n{self._start_platform(command)}"
        elif note == "after Ctrl-C":
            self._end_platform()
            text = self._console(text)
        elif note == "the platform's lines":
            text = self._platform_lines()
        elif kind == "console" and not note:
            text = self._console(text)
        return f"{block['before']}{text}{block['after']}"

    def _console(self, text: str) -> str:
        return "".join(f"$ {each}\n{self._run(each)}" for each in _commands(text))

    def _file(self, text: str, *, made: bool) -> None:
        first, _, rest = text.partition("\n")
        file = self._folder / first.removeprefix("# ")
        if made:
            assert file.read_text() == rest, f"{file} is not as the page shows it"
            return
        before = len(self._output(0)) if self._platform else 0
        file.write_text(text)
        if self._platform:
            wait_until(lambda: "the next calls get new" in self._output(before))

    def _run(self, command: str) -> str:
        if command.startswith("cd "):
            self._folder = self._folder / command.removeprefix("cd ")
            return ""
        if command == "fcplug build":  # for an image with the Python of this machine
            command = shlex.join([*command.split(), *target_options()])
        done = subprocess.run(
            ["bash", "-c", command], cwd=self._folder, env=self._variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=600, check=False,
        )  # fmt: skip
        return self._shown(done.stdout)

    def _start_platform(self, command: str) -> str:
        with self._log.open("wb") as out:
            self._platform = subprocess.Popen(
                [*command.split(), *_PORTS], cwd=self._folder, env=self._variables,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(lambda: "console: " in self._output(0) and self._output(0).endswith("\n"))
        return self._new_output()

    def _platform_lines(self) -> str:
        for line in ("FC Invoke End", "first call of its instance"):
            wait_until(lambda line=line: line in self._output(self._read))  # type: ignore[misc]
        text = self._new_output()
        if found := _ADDRESSES.search(self._output(0)):
            self._look(found[3])
        return text

    def _output(self, begin: int) -> str:
        return self._log.read_text()[begin:] if self._log.exists() else ""

    def _new_output(self) -> str:
        new = self._output(self._read)
        self._read += len(new)
        return self._shown(new)

    def _end_platform(self) -> None:
        if self._platform:
            self._platform.send_signal(signal.SIGINT)
            self._platform.wait(60)
            self._platform = None

    def _shown(self, text: str) -> str:
        text = text.replace(str(self._top), os.path.dirname(HOME))
        if found := _ADDRESSES.search(self._output(0)):
            text = text.replace(f":{found[2]}", ":9999").replace(f":{found[4]}", ":9998")
        return f"{text.rstrip()}\n" if text.strip() else ""


def _commands(text: str) -> list[str]:
    return re.findall(r"^\$ (.*)$", text, re.MULTILINE)


def normalised(page: str) -> str:
    """Return a page without what is different in each run."""
    for pattern, named in _CHANCE.items():
        page = re.sub(pattern, named, page)
    return _BLOCK.sub(_sorted_if_chance, page)


def _sorted_if_chance(block: re.Match[str]) -> str:
    """Sort the lines of a block whose order depends on sizes, or on two processes."""
    if "DISTRIBUTION" in block["text"] or "starts ./bootstrap" in block["text"]:
        return f"{block['before']}{''.join(sorted(block['text'].splitlines(keepends=True)))}"
    return block[0]


_CHANCE = {
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "TIME",
    r"\b\d\d:\d\d:\d\d\b": "TIME",
    r"\b(c|1)-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}\b": "ID",
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b": "ID",
    r"\b\d+(\.\d+)? ?(ms|s|KB|MB|B)\b": "SIZE",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"\bport \d+": "PORT",
    r"\b\d+\.\d+(\.\d+)+\b": "VERSION",
    r"custom\.debian\d+ \(Python [^)]*\)": "TARGET",
    r"(?m)^note: .*\n": "",
    r"(?m)^(falcon|fcplug\S*|PyYAML|httptools|msgspec|waitress|pluggy|your code|total) .*$": r"\1",
    r" +": " ",
}


def write(folder: Path) -> None:
    """Walk through the tutorial, and write the outputs and the picture into it."""
    (folder / "environment").mkdir()
    (folder / "walk").mkdir()
    environment = Environment(folder / "environment")
    walk = Walk(folder / "walk", environment.variables, take_picture)
    page = PAGE.read_text()
    walked = walk.done(page)
    if normalised(walked) != normalised(page):  # else only ids and times are new
        PAGE.write_text(walked)


def take_picture(console: str) -> None:
    """Call the function of the tutorial in the console, and write a picture of that."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 765})
        page.goto(f"{console}/functions/orders")
        expect(page.locator("main")).to_contain_text("orders.handle", timeout=60_000)
        page.locator("#text").fill('{"item": "tea", "count": 4}')
        page.get_by_role("button", name="Invoke").click()
        result = page.get_by_role("region", name="Result")
        expect(result.get_by_role("region", name="Log")).to_contain_text(
            "4 times tea", timeout=60_000
        )
        image = Image.open(BytesIO(page.screenshot()))
        browser.close()
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(PICTURE, optimize=True)
