from collections.abc import Mapping
from importlib.metadata import entry_points

from fcplug import Context
from fcplug_hello import handle


def context(settings: Mapping[str, object]) -> Context:
    return Context.from_headers({}, {}).for_function(settings, None)


def test_the_event_names_who_is_greeted() -> None:
    assert handle(b"Ada", context({})) == {"message": "Hello, Ada!"}


def test_the_setting_greeting_replaces_hello() -> None:
    assert handle(b"Ada", context({"greeting": "Hi"})) == {"message": "Hi, Ada!"}


def test_an_empty_event_greets_the_world() -> None:
    assert handle(b"", context({})) == {"message": "Hello, world!"}


def test_the_line_end_of_a_shell_is_not_part_of_the_name() -> None:
    assert handle(b" Ada\r\n", context({})) == {"message": "Hello, Ada!"}


def test_a_name_may_be_in_any_script() -> None:
    assert handle("阿达".encode(), context({})) == {"message": "Hello, 阿达!"}


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert handle(b"Ad\xff", context({})) == {"message": "Hello, Ad\ufffd!"}


def test_the_package_offers_the_handler_hello() -> None:
    (offered,) = entry_points(group="fcplug.handlers", name="hello")
    assert offered.load() is handle
