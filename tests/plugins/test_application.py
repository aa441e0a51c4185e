"""Load applications by name, and reject objects that are not applications."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug.concurrency.event_loop import EventLoop
from fcplug.config import loader
from fcplug.config.model import FunctionSpec
from fcplug.errors import PluginError
from fcplug.plugins import application
from fcplug.plugins.entry_points import EntryPointIndex

APPLICATION = "def app(environ, start_response):\n    ...\n"
Install = Callable[..., Path]
Code = Callable[[str, str], Path]


def spec(entry: str) -> FunctionSpec:
    text = f"version: 1\nfunctions:\n  f: {{{entry}}}\n"
    return loader.parse(text, "f.yaml", {}).functions["f"]


def refusal(entry: str) -> PluginError:
    with pytest.raises(PluginError) as error:
        application.load(EntryPointIndex(), spec(entry), EventLoop())
    return error.value


def test_an_application_is_an_entry_point_or_code(install: Install, code: Code) -> None:
    install("acme-shop", {"shop": APPLICATION}, wsgi={"market": "shop:app"})
    code("plain", APPLICATION)
    for name, module, package in [
        ("market", "shop", "acme-shop 1.2"),
        ("acme-shop:market", "shop", "acme-shop 1.2"),
        ("plain:app", "plain", ""),
        ("plain.app", "plain", ""),
    ]:
        loaded = application.load(EntryPointIndex(), spec(f"wsgi: '{name}'"), EventLoop())
        assert loaded
        found, source = loaded
        assert (found.__module__, source.package) == (module, package)


def test_a_function_of_events_has_none() -> None:
    assert application.load(EntryPointIndex(), spec("handler: h"), EventLoop()) is None


def test_the_error_for_an_unknown_name_names_its_group(install: Install) -> None:
    install("acme-shop", {"shop": APPLICATION}, wsgi={"market": "shop:app"})
    error = refusal("wsgi: markt")
    assert error.error_type == "PluginNotFound"
    assert "offers the WSGI application 'markt' (did you mean 'market'?)" in error.what
    install("other-shop", wsgi={"market": "shop:app"})
    error = refusal("wsgi: market")
    assert (error.error_type, error.fix) == (
        "PluginAmbiguous",
        "name the package, too: wsgi: acme-shop:market",
    )
    assert refusal("wsgi: a b.c").what == "Invalid WSGI application 'a b.c'"


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("app = 3", "an object of type int cannot be called", "name the application itself"),
        ("async def app(a, b, c): ...", "app is a coroutine function, as ASGI", "use the key asgi"),
        (
            "class App:\n    async def __call__(self, a, b, c): ...\napp = App()",
            "an object of type App is a coroutine function, as ASGI",
            "use the key asgi",
        ),
        (
            "def app(request): ...",
            "app(request) cannot be called with environ, start_response",
            "def app(environ, start_response)",
        ),
        (
            "class App:\n    def __call__(self, environ, start, more): ...\napp = App()",
            "an object of type App(environ, start, more) cannot be called",
            "def __call__(self, environ, start_response)",
        ),
        ("def app(): ...", "app() cannot be called", "name the application that it creates"),
        ("def app(a, b, *, c): ...", "app(a, b, *, c) cannot be called", "def app(environ, "),
    ],
)
def test_an_object_that_is_not_an_application_is_rejected(
    code: Code, text: str, what: str, fix: str
) -> None:
    code("shop", text)
    error = refusal("wsgi: 'shop:app'")
    assert error.error_type == "PluginInvalid"
    assert error.what.startswith(what)
    assert error.fix.startswith(fix)
    assert "WSGI application 'shop:app'" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "class app:\n    def __init__(self, e, s): ...",
        "app = max",
        "def app(*args): ...",
        "def app(environ, start_response, more=None): ...",
        # as werkzeug's Request.application
        "import functools\ndef page(request): ...\n"
        "@functools.wraps(page)\ndef app(*args): return page(args[-2])(*args[-2:])",
    ],
)
def test_every_callable_can_be_an_application(code: Code, text: str) -> None:
    code("shop", text)
    assert application.load(EntryPointIndex(), spec("wsgi: 'shop:app'"), EventLoop())


def test_an_asgi_application_that_cannot_be_called_says_so_when_it_is_loaded(code: Code) -> None:
    code("shop", "async def app(scope): ...\nasync def good(scope, receive, send): ...")
    error = refusal("asgi: 'shop:app'")
    assert error.what == "app(scope) cannot be called with scope, receive, send"
    assert error.fix == "def app(scope, receive, send)"
    assert application.load(EntryPointIndex(), spec("asgi: 'shop:good'"), EventLoop())


def test_a_corrected_module_is_imported_again(code: Code) -> None:
    code("shop", "app = 3")
    refusal("wsgi: 'shop:app'")
    code("shop", APPLICATION)
    assert application.load(EntryPointIndex(), spec("wsgi: 'shop:app'"), EventLoop())
