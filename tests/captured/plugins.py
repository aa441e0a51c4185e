"""Messages about handlers and plugins that cannot be loaded."""

import os
import re
import sys

from captured.registry import message
from captured.scene import Scene, Shown

HELLO = "functions:\n  hello: {handler: hello.handle}\n"


def _broken(heading: str, text: str = HELLO, **files: str) -> None:
    def provoke(scene: Scene) -> Shown:
        shown = scene.event(text, b"Ada", **files)
        library = os.path.dirname(os.__file__)
        known = re.sub(r"(installed: ).*", r"\1hello, thumbnail", shown.text)
        return shown._replace(text=known.replace(library, "/usr/lib/python3.11"))

    message(heading, "PluginError")(provoke)


_broken(
    "PluginNotFound",
    """\
    functions:
      hello: {handler: helo}
    """,
)
_broken(
    "ImportModuleError: a file is not there",
    """\
    functions:
      hello: {handler: helo.handle}
    """,
    hello="",
)
_broken("ImportModuleError: a package is not installed", hello="import acme_images\n")
_broken(
    "UserCodeSyntaxError",
    hello="""\
    def handle(event, context)
        return event
    """,
)
_broken(
    "UserCodeError",
    hello="""\
    import os
    BUCKET = os.environ['BUCKET']
    """,
)
_broken(
    "HandlerNotFound",
    hello="""\
    def handler(event, context):
        return event
    """,
)
_broken(
    "InvalidHandleName",
    """\
    functions:
      hello: {handler: hello.py}
    """,
    hello="def handle(event): ...\n",
)
_broken(
    "PluginInvalid: no hook",
    """\
    functions:
      hello: {handler: 'hello:Hello'}
    """,
    hello="""\
    class Hello:
        def invoke(self, event, context):
            return event
    """,
)
_broken(
    "PluginInvalid: an argument is never passed",
    """\
    functions:
      hello: {handler: 'hello:Hello'}
    """,
    hello="""\
    from fcplug import hookimpl
    class Hello:
        @hookimpl
        def invoke(self, event, contxt):
            return event
    """,
)
_broken(
    "PluginInvalid: two plugins answer",
    """\
    functions:
      hello: {handler: hello.handle, middleware: ['shout:Shout']}
    """,
    hello="def handle(event): return event\n",
    shout="""\
    from fcplug import hookimpl
    class Shout:
        @hookimpl
        def invoke(self, event):
            return event.upper()
    """,
)
_broken(
    "SettingsInvalid",
    """\
    functions:
      hello:
        handler: hello:Hello
        settings: {greting: Hi}
    """,
    hello="""\
    from dataclasses import dataclass
    from fcplug import hookimpl
    @dataclass
    class Hello:
        greeting: str = 'Hello'
        @hookimpl
        def invoke(self, event):
            return self.greeting
    """,
)
_broken(
    "HandlerNotFound: a file has the name of a module of Python",
    """\
    functions:
      hello: {handler: calendar.handle}
    """,
    calendar="def handle(event): return event\n",
)


@message("PluginAmbiguous", "PluginError")
def ambiguous(scene: Scene) -> Shown:
    for name in ("acme_images", "other_images"):
        info = f"{name}-1.0.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        entry_points = "[fcplug.handlers]\nresize = images:handle\n"
        scene.write({f"{info}/METADATA": metadata, f"{info}/entry_points.txt": entry_points})
    sys.path.insert(0, str(scene.folder))
    try:
        return scene.event("functions:\n  hello: {handler: resize}\n")
    finally:
        sys.path.remove(str(scene.folder))
