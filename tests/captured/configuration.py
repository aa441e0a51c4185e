"""Messages about mistakes in functions.yaml."""

from captured.registry import message
from captured.scene import Scene, Shown


def _mistake(heading: str, text: str) -> None:
    def provoke(scene: Scene) -> Shown:
        return scene.refused(text)

    message(heading, "ConfigError")(provoke)


_mistake(
    "unknown key",
    """\
    functions:
      hello:
        handler: hello.handle
        timeuot: 10
    """,
)
_mistake("the key is missing", "function: {}\n")
_mistake(
    "expected a mapping",
    """\
    functions:
      hello: hello.handle
    """,
)
_mistake(
    "expected another kind of value",
    """\
    functions:
      hello: {handler: hello.handle, timeout: soon}
    """,
)
_mistake(
    "mapping values are not allowed",
    """\
    functions:
      hello:
        handler: hello.handle
          timeout: 10
    """,
)
_mistake("tabs are not allowed", "functions:\n\thello: {handler: hello.handle}\n")
_mistake(
    "anchors and aliases are not allowed",
    """\
    functions:
      hello: {handler: hello.handle}
    routes:
      - match:
          function: *-web
        to: hello
    """,
)
_mistake(
    "key given twice",
    """\
    functions:
      hello: {handler: hello.handle}
      hello: {handler: bye.handle}
    """,
)
_mistake(
    "a value that YAML readers disagree about",
    """\
    functions:
      hello: {handler: hello.handle, settings: {country: no}}
    """,
)
_mistake(
    "the environment has no variable",
    """\
    functions:
      hello:
        handler: hello.handle
        settings: {bucket: '${BUCKET}'}
    """,
)
_mistake(
    "no function of that name in a route",
    """\
    functions:
      hello: {handler: hello.handle}
    routes:
      - match: {function: 'h*'}
        to: helo
    """,
)
_mistake(
    "nothing answers its calls",
    """\
    functions:
      hello: {timeout: 10}
    """,
)
_mistake(
    "middleware would not wrap the application",
    """\
    functions:
      shop: {wsgi: 'shop:app', middleware: [audit]}
    """,
)
_mistake(
    "a wrong cron expression",
    """\
    functions:
      hello:
        handler: hello.handle
        triggers:
          daily: {timer: {cron_expression: '30 4 * * *'}}
    """,
)
