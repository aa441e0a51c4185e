"""Secrets in a configuration that the console shows."""

import pytest

from fcplug.console.hidden_values import lines_of

HIDDEN = "•••"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("db_password: hunter2", "db_password: •••"),
        ("s: {token: abc, region: x}", "s: {token: •••, region: x}"),
        ("'api-key': \"a b\"  # why", "'api-key': •••  # why"),
        ("AccessKeySecret: x", "AccessKeySecret: •••"),
        ("password: ${DB_PASSWORD}", "password: ${DB_PASSWORD}"),
        ("tokens: ['${A}', abc]", "tokens: ['${A}', •••]"),
        ("tokens:\n  - abc\n  - def", "tokens:\n  - •••\n  - •••"),
        ("auth: {keys: [abc]}", "auth: {keys: [•••]}"),
        ("secret: |\n  one\n  two\nnext: 1", "secret: •••\n  •••\n  •••\nnext: 1"),
        ("credentials:\n  user: a\n  id: 1", "credentials:\n  user: •••\n  id: •••"),
        ("handler: tokenizer:handle", "handler: tokenizer:handle"),
        ("secret:", "secret:"),
        ("", ""),
    ],
)
def test_values_that_their_keys_call_secret_are_hidden(text: str, shown: str) -> None:
    assert list(lines_of(text)) == shown.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter2 [",
        "  settings: {a: 1, password: hunter2",
        "- token: hunter2 }",
        "api_key: 'hunter2",
    ],
)
def test_they_are_hidden_in_a_file_that_is_not_yaml(line: str) -> None:
    text = f"version: 1\n{line}\n\tfunctions: [{{"
    shown = lines_of(text)
    assert "hunter2" not in "\n".join(shown)
    assert shown[0] == "version: 1"
    assert len(shown) == 3


def test_deep_nesting_is_no_trouble() -> None:
    text = "[" * 50_000
    assert lines_of(text) == [text]
