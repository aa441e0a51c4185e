"""The distributions of an environment: which of them a module belongs to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fcplug.build.installed import Environment
from fcplug.build.origin import INDEX, Origin


def test_a_module_belongs_to_the_distribution_that_has_its_file(
    install: Callable[..., Path], code: Callable[[str, str], Path]
) -> None:
    info = install("Acme.Tools", {"acme_tools": ""})
    code("deep/inside", "")
    native = "acme_native.cpython-311-x86_64-linux-gnu.so"
    files = ("acme_tools.py", "deep/inside.py", native, "../../bin/acme.py", "notes.txt")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    environment = Environment()
    for module in ("acme_tools", "deep", "acme_native"):
        assert environment.owner(module) == "Acme.Tools"
    assert (
        environment.owner("notes") == environment.owner("json") == environment.owner("nope") == ""
    )
    assert environment.version("acme-tools") == "1.2"
    assert environment.origin("acme_tools") == INDEX


def test_a_module_of_an_editable_install_belongs_to_the_distribution_of_its_folder(
    install: Callable[..., Path], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = site / "sources"
    sources.mkdir()
    (sources / "acme_edited.py").write_text("")
    info = install("acme-edited")
    (info / "direct_url.json").write_text(
        f'{{"url": "file://{sources}", "dir_info": {{"editable": true}}}}'
    )
    monkeypatch.syspath_prepend(sources)  # as a .pth file of the install does
    environment = Environment()
    assert environment.owner("acme_edited") == "acme-edited"
    assert environment.origin("acme-edited") == Origin("folder", str(sources))
    assert list(environment.local("acme-edited")) == [
        ("acme-edited", environment.origin("acme-edited"))
    ]
