"""Messages of the commands."""

import json
import shutil
import socket

from captured.registry import message
from captured.scene import Scene, Shown
from support import commands
from support.deployed import ROOT
from support.packages import target_options, variables
from support.running import dev

HELLO = "functions:\n  hello: {handler: hello.handle}\n"
CODE = {"hello.py": "def handle(event, context):\n    return event\n"}


def _project(scene: Scene, text: str = HELLO) -> None:
    scene.functions(text, CODE)
    shutil.copy(ROOT / "bootstrap", scene.folder)


def _command(heading: str, error: str, *arguments: str) -> None:
    def provoke(scene: Scene) -> Shown:
        _project(scene)
        return scene.command(*arguments)

    message(heading, error)(provoke)


_command("fcplug new: the folder exists", "ScaffoldError", "new", "project", "config")
_command("A file exists already", "OutputError", "bootstrap", "-o", "bootstrap")
_command("fcplug invoke: no answer", "CallError", "invoke", "hello", "--url", "http://127.0.0.1:9")
_command(
    "fcplug invoke: the event cannot be read",
    "EventError",
    "invoke",
    "hello",
    "--event",
    "@event.json",
)
_command("No platform runs", "PlatformError", "logs")
_command("fcplug new: the name is invalid", "InvalidName", "new", "project", "my shop")
_command("--bucket needs a folder", "WrongUsage", "dev", "--bucket", "photos=photos")
_command(
    "A place of an answer is malformed", "InvalidPath", "replay", "r.jsonl", "--ignore", "time"
)


@message("fcplug events: an event is not text", "SampleError")
def not_text(scene: Scene) -> Shown:
    return scene.shown(commands.run_in_terminal(["events", "tablestore"], scene.folder))


@message("fcplug dev: there is no bootstrap", "WrongUsage")
def no_bootstrap(scene: Scene) -> Shown:
    scene.functions(HELLO, CODE)
    return scene.command("dev", "--port", "0")


@message("fcplug dev runs here already", "FolderError")
def runs_already(scene: Scene) -> Shown:
    _project(scene)
    folder = str(scene.folder.parent / f"{scene.folder.name}-tmp")
    with dev(scene.folder, "--console-port", "0") as platform:
        shown = scene.command("dev", "--port", "0", TMPDIR=folder)
    return Shown(shown.text.replace(str(platform.port), "9999"))


def _taken(heading: str, error: str, option: str, *others: str) -> None:
    def provoke(scene: Scene) -> Shown:
        _project(scene)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            shown = scene.command("dev", option, str(port), *others)
        return Shown(shown.text.replace(str(port), "9999").replace(str(port + 1), "10000"))

    message(heading, error)(provoke)


_taken("fcplug dev: the port is in use", "PortError", "--port")
_taken(
    "fcplug dev: the port of the console is in use", "ConsoleError", "--console-port", "--port", "0"
)


@message("An unknown time zone", "UnknownZone")
def unknown_zone(scene: Scene) -> Shown:
    expression = "CRON_TZ=Asia/Shangai 0 30 4 * * *"
    timer = f"    triggers:\n      daily: {{timer: {{cron_expression: '{expression}'}}}}\n"
    _project(scene, f"functions:\n  hello:\n    handler: hello.handle\n{timer}")
    return scene.command("check")


@message("A file is not a recording", "RecordingError", "InvalidRecord")
def no_recording(scene: Scene) -> Shown:
    _project(scene)
    scene.write({"requests.jsonl": '{"body": "Ada"}\n'})
    return scene.command("replay", "requests.jsonl")


@message("A recording cannot be replayed", "NotReplayable")
def not_replayable(scene: Scene) -> Shown:
    _project(scene)
    record = {"version": 1, "at": "2026-11-27T07:12:22.661Z", "function": "hello",
              "qualifier": "LATEST", "requestId": "1-2", "request": {"body": "Ada"},
              "answer": {"milliseconds": 3.2, "body": "Ada"}}  # fmt: skip
    scene.write({"requests.jsonl": json.dumps(record) + "\n"})
    options = ("--config", "config/functions.yaml", "--python")
    return scene.command("diff", "requests.jsonl", *options, "/opt/old", "--python", "/opt/new")


@message("A manifest was edited", "FileEdited")
def edited(scene: Scene) -> Shown:
    _project(scene)
    scene.write({"s.yaml": "edition: 3.0.0\nname: shop\n"})
    lines = scene.command("manifest", "s.yaml", "-o", ".").text.splitlines()
    return Shown("\n".join([lines[0], "  ...", lines[-1]]) + "\n")


def _build(scene: Scene, *arguments: str) -> Shown:
    _project(scene)
    return scene.command("build", *target_options(), *arguments, **variables())


@message("fcplug build --locked: there is no lock file", "BuildError")
def no_lock(scene: Scene) -> Shown:
    return _build(scene, "--locked")


@message("fcplug build: a link leads out of the folder", "BuildError")
def link_out(scene: Scene) -> Shown:
    (scene.folder / "texts").symlink_to("/usr/share")
    return _build(scene, "--include", "texts")
