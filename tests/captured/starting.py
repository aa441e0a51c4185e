"""Messages of a runtime that does not start, or warns."""

import shutil
import socket

from captured.registry import message
from captured.scene import Scene, Shown
from support import commands
from support.deployed import ROOT, start
from support.lean import lean_python
from support.packages import PYTHON

HELLO = "functions:\n  hello: {handler: hello.handle}\n"
CODE = "def handle(event, context):\n    return event\n"


@message("There is no functions.yaml", "ConfigError")
def no_configuration(scene: Scene) -> Shown:
    return scene.command("serve")


@message("The named configuration does not exist", "ConfigError")
def no_such_file(scene: Scene) -> Shown:
    return scene.command("serve", "--config", "functions.yml")


@message("The port is in use", "BindError")
def port_in_use(scene: Scene) -> Shown:
    scene.functions(HELLO, {"hello.py": CODE})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = scene.command("serve", "--host", "127.0.0.1", "--port", str(port))
    return Shown(shown.text.replace(str(port), "9000"))


@message("The machine has no such address", "BindError")
def no_such_address(scene: Scene) -> Shown:
    scene.functions(HELLO, {"hello.py": CODE})
    return scene.command("serve", "--host", "192.0.2.1", "--port", "9000")


@message("The port is not a number")
def no_port(scene: Scene) -> Shown:
    scene.functions(HELLO, {"hello.py": CODE})
    return scene.command("serve", FC_SERVER_PORT="auto")


@message("fcplug has no such command")
def no_such_command(scene: Scene) -> Shown:
    return Shown(scene.command("inovke").text.partition("\n")[2])


@message("The packages of the tools are missing", "ToolsMissing")
def no_tools(scene: Scene) -> Shown:
    python = lean_python(scene.folder / ".venv")
    done = commands.run("check", cwd=scene.folder, python=python)
    return Shown(done.stderr.decode().replace(str(python), "/usr/bin/python"))


@message("bootstrap finds no Python")
def no_python(scene: Scene) -> Shown:
    shutil.copy(ROOT / "bootstrap", scene.folder)
    return scene.shell("PATH=. ./bootstrap")


@message("bootstrap does not find fcplug")
def no_fcplug(scene: Scene) -> Shown:
    shutil.copy(ROOT / "bootstrap", scene.folder)
    shown = scene.shell("./bootstrap", FCPLUG_PYTHON=PYTHON)
    return Shown(shown.text.replace(PYTHON, "/usr/bin/python3"))


@message("The runtime is open to everybody")
def open_to_everybody(scene: Scene) -> Shown:
    scene.functions(HELLO, {"hello.py": CODE})
    shutil.copy(ROOT / "bootstrap", scene.folder)
    with start(scene.folder) as instance:
        found = instance.wait_for(r"^.*open to everybody.*$")
    return scene.shown(found[0])
