from fcplug.testing import Runner, check_handler


def test_the_event_names_the_person(fc: Runner) -> None:
    assert fc.invoke("hello", "Ada").json() == {"message": "Hello, Ada!"}


def test_the_setting_greeting_replaces_hello(fc: Runner) -> None:
    answer = fc.invoke("hello", "Ada", settings={"greeting": "Hi"})
    assert answer.json() == {"message": "Hi, Ada!"}


def test_an_empty_event_greets_the_world(fc: Runner) -> None:
    assert fc.invoke("hello").json() == {"message": "Hello, world!"}


def test_the_line_end_of_a_shell_is_not_part_of_the_name(fc: Runner) -> None:
    assert fc.invoke("hello", b" Ada\r\n").json() == {"message": "Hello, Ada!"}


def test_a_name_may_be_in_any_script(fc: Runner) -> None:
    assert fc.invoke("hello", "阿达").json() == {"message": "Hello, 阿达!"}


def test_bytes_that_are_not_utf_8_are_replaced(fc: Runner) -> None:
    assert fc.invoke("hello", b"Ad\xff").json() == {"message": "Hello, Ad\ufffd!"}


def test_the_handler_keeps_the_rules() -> None:
    check_handler("hello")
