"""Where a distribution came from, by what its installer has recorded."""

import json
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from fcplug.build import origin
from fcplug.build.origin import INDEX, Origin

GIT = {"vcs": "git", "commit_id": "abc", "requested_revision": "main"}


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (None, INDEX),
        ("no JSON", INDEX),
        ([], INDEX),
        ({"url": "file:///a/my%20b", "dir_info": {"editable": True}}, Origin("folder", "/a/my b")),
        ({"url": "file:///a/b", "dir_info": {}}, Origin("folder", "/a/b")),
        ({"url": "file:///a/b-1.whl", "archive_info": {}}, Origin("file", "/a/b-1.whl")),
        ({"url": "https://x.org/b.whl", "archive_info": {}}, Origin("url", "https://x.org/b.whl")),
        ({"url": "https://x.org/b", "vcs_info": GIT}, Origin("url", "git+https://x.org/b@abc")),
        (
            {"url": "https://x.org/b", "vcs_info": GIT, "subdirectory": "c"},
            Origin("url", "git+https://x.org/b@abc#subdirectory=c"),
        ),
    ],
)  # fmt: skip
def test_the_record_of_an_install(
    install: Callable[..., Path], recorded: Any, expected: Origin
) -> None:
    info = install("acme")
    if recorded is not None:
        text = recorded if isinstance(recorded, str) else json.dumps(recorded)
        (info / "direct_url.json").write_text(text)
    assert origin.of(Distribution.at(info)) == expected
