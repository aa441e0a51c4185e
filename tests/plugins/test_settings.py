from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug.context import Context
from fcplug.errors import PluginError
from fcplug.runtime.runtime import Runtime

Code = Callable[[str, str], Path]
Serve = Callable[..., Runtime]
Called = Callable[..., Context]

KINDS = """
    from __future__ import annotations
    import enum, pathlib
    from dataclasses import InitVar, dataclass, field
    from typing import Literal
    import msgspec
    from fcplug import hookimpl

    class Answers:
        @hookimpl
        def invoke(self):
            return repr(vars(self) if hasattr(self, "__dict__") else self)

    @dataclass
    class Size(Answers):
        width: int = 320
        ratio: float = 1.0
        names: list[str] = field(default_factory=list)
        mode: Literal["fit", "fill"] = "fit"
        folder: pathlib.Path = pathlib.Path("/tmp")

    @dataclass
    class Checked(Answers):
        width: int
        scale: InitVar[int] = 1
        def __post_init__(self, scale):
            if self.width < 0:
                raise ValueError(f"width is {self.width}: it must not be negative")

    class Struct(msgspec.Struct):
        width: int
        inner: Part | None = None
        @hookimpl
        def invoke(self):
            return repr(self)

    @dataclass
    class Part:
        deep: int

    class Plain(Answers):
        def __init__(self, width: int, *, quick: bool = False):
            self.width, self.quick = width, quick

    class Unannotated(Answers):
        def __init__(self, width):
            self.width = width

    class Unknowable(Answers):
        def __init__(self, width: NoSuchType):
            self.width = width

    class Anything(Answers):
        def __init__(self, *args: int, width: int = 1, **rest: int):
            self.width, self.rest = width, rest

    class Colour(enum.Enum):
        RED = "red"

    class Painted(Answers):
        def __init__(self, colour: Colour, other: Answers | None = None):
            self.colour, self.other = colour, other

    class PositionOnly(Answers):
        def __init__(self, width, /):
            self.width = width

    class Bare(Answers):
        pass
"""


@pytest.fixture
def answer(code: Code, serve: Serve, called: Called) -> Callable[..., str]:
    """Return the object that a class of KINDS made of its settings, as text, or the error."""
    code("kinds", KINDS)

    def make(kind: str, settings: dict[str, Any], **environ: str) -> str:
        runtime = serve(f={"handler": f"kinds:{kind}", "settings": settings}, environ=environ)
        result = runtime.invoke(b"", called("f"))
        return str(result.error).split("\n  in:")[0] if result.error else result.body.decode()

    return make


@pytest.mark.parametrize(
    ("kind", "settings", "made"),
    [
        ("Size", {"width": 640, "names": ["a"]}, "'width': 640, 'ratio': 1.0, 'names': ['a']"),
        ("Size", {"ratio": 2}, "'ratio': 2.0"),
        ("Size", {"folder": "/data"}, "'folder': PosixPath('/data')"),
        ("Size", {"mode": "fill"}, "'mode': 'fill'"),
        ("Checked", {"width": 2, "scale": 3}, "{'width': 2}"),
        ("Struct", {"width": 2, "inner": {"deep": 1}}, "Struct(width=2, inner=Part(deep=1))"),
        ("Plain", {"width": 2, "quick": True}, "{'width': 2, 'quick': True}"),
        ("Unannotated", {"width": "any"}, "{'width': 'any'}"),
        ("Unknowable", {"width": "any"}, "{'width': 'any'}"),
        ("Anything", {"width": 2, "more": 3}, "{'width': 2, 'rest': {'more': 3}}"),
        ("Painted", {"colour": "red"}, "{'colour': <Colour.RED: 'red'>, 'other': None}"),
        ("Painted", {"colour": "red", "other": "as it is"}, "'other': 'as it is'"),
        ("Bare", {}, "{}"),
    ],
)
def test_settings_are_the_typed_arguments_of_a_class(
    answer: Callable[..., str], kind: str, settings: dict[str, Any], made: str
) -> None:
    assert made in answer(kind, settings)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("Size", {"widht": 1}, "unknown key 'widht' (did you mean 'width'?)"),
        ("Size", {"width": "wide"}, "width: expected a whole number, got text"),
        ("Size", {"width": "12"}, "width: expected a whole number, got text: take the quotes away"),
        ("Size", {"width": 1.5}, "width: expected a whole number, got a number"),
        ("Size", {"names": ["a", 1]}, "names: [1]: expected text, got a whole number"),
        ("Size", {"mode": "fil"}, "mode: expected 'fit' or 'fill', got 'fil' (did you mean "),
        ("Size", {"folder": 3}, "folder: expected a path, got 3"),
        ("Struct", {"width": None}, "width: expected a whole number, got nothing"),
        ("Struct", {"width": 1, "inner": {"deep": "x"}}, "inner: deep: expected a whole number"),
        ("Plain", {"quick": True}, "the key 'width' is missing"),
        ("Plain", {"width": 1, "quick": "yes"}, "quick: expected true or false, got text"),
        ("Unannotated", {}, "the key 'width' is missing"),
        ("Painted", {"colour": "blue"}, "colour: invalid enum value 'blue'"),
        ("PositionOnly", {"width": 1}, "PositionOnly rejects its settings: "),
        ("Bare", {"any": 1}, "unknown key 'any'"),
    ],
)
def test_wrong_settings_are_an_error_with_their_location(
    answer: Callable[..., str], kind: str, settings: dict[str, Any], message: str
) -> None:
    assert answer(kind, settings).startswith("functions.yaml:1:")
    assert f": functions.f.settings: {message}" in answer(kind, settings)


def refusals(runtime: Runtime, context: Context) -> list[str]:
    error = runtime.invoke(b"", context).error
    assert isinstance(error, PluginError)
    assert error.error_type == "SettingsInvalid"
    return error.what.splitlines()


def test_all_wrong_settings_are_reported_at_once_with_line_and_column(
    code: Code, serve: Serve, called: Called
) -> None:
    code("kinds", KINDS)
    runtime = serve("""\
        version: 1
        functions:
          f:
            handler: kinds:Size
            settings:
              widht: 1
              ratio: much
              names: {}
          missing:
            handler: kinds:Plain
            settings: {quick: true}
          unset:
            handler: kinds:Plain
    """)
    assert refusals(runtime, called("f")) == [
        "functions.yaml:6:7: functions.f.settings: unknown key 'widht' (did you mean 'width'?)",
        "functions.yaml:7:7: functions.f.settings: ratio: expected a number, got text",
        "functions.yaml:8:7: functions.f.settings: names: expected a list, got a mapping",
    ]
    assert refusals(runtime, called("missing")) == [
        "functions.yaml:11:5: functions.missing.settings: the key 'width' is missing"
    ]
    assert refusals(runtime, called("unset")) == [
        "functions.yaml:12:3: functions.unset.settings: the key 'width' is missing"
    ]


def test_a_wrong_setting_in_the_defaults_is_reported_there(
    code: Code, serve: Serve, called: Called
) -> None:
    code("kinds", KINDS)
    runtime = serve("""\
        version: 1
        defaults:
          settings:
            width: wide
            ratio: much
        functions:
          f:
            handler: kinds:Size
            settings:
              ratio: too much
    """)
    assert refusals(runtime, called("f")) == [
        "functions.yaml:4:5: defaults.settings: width: expected a whole number, got text",
        "functions.yaml:10:7: functions.f.settings: ratio: expected a number, got text",
    ]


def test_the_error_for_settings_that_a_class_rejects_has_its_message(
    code: Code, serve: Serve, called: Called
) -> None:
    file = code("kinds", KINDS)
    runtime = serve("""\
        version: 1
        functions:
          f: {handler: "kinds:Checked", settings: {width: -1}}
    """)
    (message,) = refusals(runtime, called("f"))
    assert message == (
        "functions.yaml:3:33: functions.f.settings: Checked rejects its settings: "
        "width is -1: it must not be negative"
    )
    error = runtime.invoke(b"", called("f")).error
    assert isinstance(error, PluginError)
    assert error.where == f"handler 'kinds:Checked', {file}:22"
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize(
    ("kind", "settings", "made"),
    [
        ("Size", {"width": "${WIDTH}"}, "'width': 640"),
        ("Size", {"names": ["${WIDTH}"]}, "'names': ['640']"),
        ("Plain", {"width": 1, "quick": "${QUICK:-true}"}, "'quick': True"),
    ],
)
def test_text_from_the_environment_may_stand_for_a_number(
    answer: Callable[..., str], kind: str, settings: dict[str, Any], made: str
) -> None:
    assert made in answer(kind, settings, WIDTH="640")


def test_an_error_never_shows_a_value_from_the_environment(
    answer: Callable[..., str],
) -> None:
    message = answer("Size", {"width": "${SECRET}", "mode": "${SECRET}"}, SECRET="hunter2")
    assert "width: expected a whole number" in message
    assert "mode: expected 'fit' or 'fill', got another value (from the environment)" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("OSError('disk')", "Failing cannot be created: OSError: disk"),
        ("SystemExit(3)", "Failing cannot be created: SystemExit: 3"),
        (
            "ValueError('never the settings: there are none')",
            "Failing cannot be created: ValueError",
        ),
    ],
)
def test_an_error_of_a_class_constructor_is_an_error_of_its_code(
    code: Code, serve: Serve, called: Called, raised: str, message: str
) -> None:
    file = code("failing", f"class Failing:\n    def __init__(self):\n        raise {raised}\n")
    error = serve(f="failing:Failing").invoke(b"", called("f")).error
    assert isinstance(error, PluginError)
    assert error.error_type == "UserCodeError"
    assert error.what.startswith(message)
    assert error.where == f"handler 'failing:Failing', {file}:1"
    assert error.fix == "do work that may fail in initialize(context), which is retried"
    assert error.causes[0].startswith(raised.partition("(")[0])


def test_a_class_written_in_c_takes_its_settings_as_they_are(serve: Serve, called: Called) -> None:
    error = (
        serve(f={"handler": "builtins:dict", "settings": {"a": 1}}).invoke(b"", called("f")).error
    )
    assert str(error).startswith("dict has no hooks")


MIDDLEWARE = """
    from dataclasses import dataclass
    from fcplug import hookimpl

    @dataclass
    class Tag:
        text: str = "none"
        @hookimpl(wrapper=True)
        def invoke(self):
            return f"{self.text}({(yield)})"

    @hookimpl(wrapper=True)
    def invoke():
        return (yield)

    def handle(event, context):
        return repr(dict(context.settings))
"""


def test_middleware_has_settings_of_its_own(
    install: Callable[..., Path], serve: Serve, called: Called
) -> None:
    install("tag-dist", {"tagging": MIDDLEWARE}, middleware={"tag": "tagging:Tag"})
    runtime = serve("""\
        version: 1
        defaults:
          settings: {text: of the handler}
          middleware: [{name: tag, settings: {text: default}}]
        functions:
          inherits: {handler: "tagging:handle"}
          own:
            handler: tagging:handle
            middleware: [{name: tag, settings: {text: own}}, tag, "tag-dist:tag"]
    """)
    answers = [runtime.invoke(b"", called(name)).body for name in ("inherits", "own")]
    assert answers == [
        b"default({'text': 'of the handler'})",
        b"own(none(none({'text': 'of the handler'})))",
    ]


def test_a_wrong_setting_of_middleware_is_reported_with_its_location(
    install: Callable[..., Path], serve: Serve, called: Called
) -> None:
    entry_points = {"tag": "tagging:Tag", "module": "tagging"}
    install("tag-dist", {"tagging": MIDDLEWARE}, middleware=entry_points)
    runtime = serve("""\
        version: 1
        defaults:
          settings: {text: of the handler}
          middleware:
            - name: tag
              settings: {text: 1}
        functions:
          inherits: {handler: "tagging:handle"}
          own:
            handler: tagging:handle
            middleware: [tag, {name: tag, settings: {txt: 1}}]
          module:
            handler: tagging:handle
            middleware: [{name: module, settings: {text: nobody reads it}}]
    """)
    assert [refusals(runtime, called(name)) for name in ("inherits", "own", "module")] == [
        [
            "functions.yaml:6:18: defaults.middleware[0].settings: "
            "text: expected text, got a whole number"
        ],
        [
            "functions.yaml:11:46: functions.own.middleware[1].settings: "
            "unknown key 'txt' (did you mean 'text'?)"
        ],
        [
            "functions.yaml:14:44: functions.module.middleware[0].settings: "
            "tagging is not a class: only classes take settings"
        ],
    ]
