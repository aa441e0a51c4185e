"""A page that is done from top to bottom: files are written, commands run, outputs captured.

Blocks of Python and YAML begin with the name of their file. Before a block a comment may stand:

- ``not run: why``: it stays as it is
- ``made by: command``: the file is there already, with this content
- ``background``: the command runs on; the block has what it prints until it is ready
- ``until: text``: what the background printed since then, up to a line with the text
- ``after Ctrl-C``: the background is ended first
- ``typed: a; b``: what is typed into the command
- ``beside``: the command waits for another one; ``beside, its end``: what it has printed
"""

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from captured.scene import HOME
from support.deployed import free_port
from support.packages import target_options
from support.waiting import wait_until

_BLOCK = re.compile(
    r"(?P<before>(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<kind>\w+)\n)"
    r"(?P<text>.*?)(?P<after>^```$)",
    re.MULTILINE | re.DOTALL,
)
_READY = re.compile(r"^(fcplug dev: |try: ).*\n", re.MULTILINE)
_PORTS = ("9999", "9998", "9000", "4444")  # of the pages: they may be in use
_PORT = re.compile(rf"(?<=[:= ])({'|'.join(_PORTS)})\b")
_PROMPT = "(Pdb) "
_WIDTH = {"COLUMNS": "100", "NO_COLOR": "1"}


class Walk:
    """A walk through a page, in a folder.

    Args:
        folder: an empty folder, or one with a project.
        variables: the environment of a terminal in which fcplug is installed.
        project: the project in the folder in which the page begins.
        look: called with the address of the console, once the page shows lines of ``fcplug dev``.
    """

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str],
        look: Callable[[str], None] = lambda _url: None,
        *,
        project: str = "",
    ) -> None:
        self._top, self._folder = folder, folder / project
        self._variables = {**variables, **_WIDTH, "TMPDIR": str(folder)}
        self._look = look
        self._ports = {named: str(free_port()) for named in _PORTS}
        self._background: subprocess.Popen[bytes] | None = None
        self._beside: subprocess.Popen[str] | None = None
        self._log = folder / "background.log"
        self._read = 0  # characters of the log that are on the page

    def done(self, page: str) -> str:
        """Return the page with the outputs of this walk."""
        try:
            return _BLOCK.sub(self._block, page)
        finally:
            self._end_background()
            if self._beside:
                self._beside.kill()

    def _block(self, block: re.Match[str]) -> str:
        note, _, rest = (block["note"] or "").partition(": ")
        text = self._captured(note, rest, block["kind"], block["text"])
        return f"{block['before']}{text}{block['after']}"

    def _captured(self, note: str, rest: str, kind: str, text: str) -> str:
        if note == "not run":
            return text
        if kind in ("python", "yaml"):
            self._file(text, made=note == "made by")
            return text
        assert note or kind == "console", (
            f"a block of {kind} does not say why it does not run:\n{text}"
        )
        if note == "until":
            return self._lines_until(rest)
        if note == "beside, its end" and self._beside:
            return self._shown(self._beside.communicate(timeout=60)[0])
        if note == "after Ctrl-C":
            self._end_background()
        if kind != "console":
            return text
        commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        starts = {"background": self._start_background, "beside": self._start_beside}
        start = starts.get(note) or (lambda each: self._run(each, rest if note == "typed" else ""))
        return "".join(f"$ {each}\n{start(each)}" for each in commands)

    def _file(self, text: str, *, made: bool) -> None:
        first, _, rest = text.partition("\n")
        file = self._folder / first.removeprefix("# ")
        if made:
            assert file.read_text() == rest, f"{file} is not as the page shows it"
            return
        before = len(self._output(0))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if self._background and "console: " in self._output(0):
            wait_until(lambda: "the next calls get new" in self._output(before))

    def _run(self, command: str, typed: str = "") -> str:
        if command.startswith("cd "):
            self._folder = self._folder / command.removeprefix("cd ")
            return ""
        lines = typed.split("; ") if typed else []
        if command.startswith("nc "):
            return self._shown(_with_typed(self._talk(lines), lines))
        done = subprocess.run(
            ["bash", "-c", self._command(command)], cwd=self._folder, env=self._variables,
            input="".join(f"{line}\n" for line in lines), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )  # fmt: skip
        return self._shown(_with_typed(done.stdout, lines))

    def _talk(self, lines: list[str]) -> str:
        """Do what ``nc`` does, which is not on every machine."""
        connections: list[socket.socket] = []

        def connected() -> bool:
            connections.extend(self._connected())
            return bool(connections)

        wait_until(connected)
        said = ""
        with connections[0] as connection, connection.makefile("rw") as stream:
            for line in lines:
                while not said.endswith(_PROMPT):
                    said += stream.read(1)
                stream.write(f"{line}\n")
                stream.flush()
                said += "\0"  # the next prompt is another one
            return said.replace("\0", "")

    def _connected(self) -> list[socket.socket]:
        address = ("127.0.0.1", int(self._ports["4444"]))
        with suppress(ConnectionRefusedError):
            return [socket.create_connection(address, timeout=60)]
        return []

    def _command(self, command: str) -> str:
        if command == "fcplug build":  # for an image with the Python of this machine
            command = shlex.join([*command.split(), *target_options()])
        if command.startswith("fcplug dev"):
            command += " --port 9999 --console-port 9998"
        if command.startswith("fcplug serve"):
            command += " --port 9000"
        return _PORT.sub(lambda found: self._ports[found[1]], command)

    def _start_background(self, command: str) -> str:
        with self._log.open("wb") as out:
            self._background = subprocess.Popen(
                shlex.split(self._command(command)), cwd=self._folder, env=self._variables,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._read = 0
        wait_until(lambda: _READY.search(self._output(0)))
        return self._new_output()

    def _start_beside(self, command: str) -> str:
        self._beside = subprocess.Popen(
            ["bash", "-c", self._command(command)], cwd=self._folder, env=self._variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return ""

    def _lines_until(self, line: str) -> str:
        for each in ("FC Invoke End", line):
            wait_until(lambda each=each: each in self._output(self._read))  # type: ignore[misc]
        text = self._new_output()
        if "console: " in self._output(0):
            self._look(f"http://127.0.0.1:{self._ports['9998']}")
        return text

    def _output(self, begin: int) -> str:
        return self._log.read_text()[begin:] if self._log.exists() else ""

    def _new_output(self) -> str:
        new = self._output(self._read)
        self._read += len(new)
        return self._shown(new)

    def _end_background(self) -> None:
        if self._background:
            self._background.send_signal(signal.SIGINT)
            self._background.wait(60)
            self._background = None

    def _shown(self, text: str) -> str:
        text = text.replace(str(self._top), os.path.dirname(HOME))
        for named, real in self._ports.items():
            text = re.sub(rf"\b{real}\b", named, text)
        return f"{text.rstrip()}\n" if text.strip() else ""


def _with_typed(output: str, lines: list[str]) -> str:
    """Return the output of a debugger with what was typed at each of its prompts."""
    parts = output.split(_PROMPT)
    shown = parts[0]
    for part, line in zip(parts[1:], [*lines, *([""] * len(parts))], strict=False):
        shown += f"{_PROMPT}{line}\n{part.lstrip()}" if line else part
    return shown


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
    r"(?m)hello\.py\(\d\)|^-> .*$": "PLACE",
    r"\b(\d+,)*\d+\.\d{3}\b": "NUMBER",
    r": [\d.,]+ a second": ": NUMBER a second",
    r" +": " ",
}
