"""``fcplug plugins``: what is installed, who uses it, and what importing it costs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcplug.tools.main import run
from support.commands import environment
from support.deployed import deploy

CONFIG = """\
version: 1
functions:
  a: {handler: typed, middleware: [around], settings: {width: 4}}
  b: {handler: Acme_Typed:typed}
  c: {handler: index:handle}
  d: {wsgi: shop}
"""
TYPED = '''\
from dataclasses import dataclass, field
from typing import Literal
from fcplug import hookimpl

@dataclass
class Typed:
    """Makes things.

    More of it.
    """
    width: int
    names: list[str] = field(default_factory=list)
    mode: Literal["fast", "good"] = "fast"
    @hookimpl
    def invoke(self, event): ...
'''
AROUND = """\
from fcplug import hookimpl
class Around:
    @hookimpl(wrapper=True)
    def invoke(self): return (yield)
"""
SHOP = "def app(environ, start_response): ...\n"


@pytest.fixture(autouse=True)
def _installed(
    tmp_path: Path, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = '"""Code beside the configuration."""\ndef handle(event): ...\n'
    monkeypatch.chdir(deploy(tmp_path / "project", CONFIG, {"index.py": index}))
    monkeypatch.setenv("COLUMNS", "120")
    install("acme-typed", {"acme_typed": TYPED}, handlers={"typed": "acme_typed:Typed"})
    install("acme-around", {"acme_around": AROUND}, middleware={"around": "acme_around:Around"})
    install("acme-shop", {"acme_shop": SHOP}, wsgi={"shop": "acme_shop:app"})


def listed(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> dict[str, dict[str, Any]]:
    assert run(["plugins", "--json", *arguments]) == code
    document = json.loads(capsys.readouterr().out)
    return {each["name"]: each for each in document["plugins"]}


def test_each_plugin_has_its_package_and_the_functions_that_use_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = listed(capsys)
    assert {
        name: (each["kind"], each["package"], each["version"], each["state"], each["used_by"])
        for name, each in found.items()
        if not str(each["package"]).startswith("fcplug-")
    } == {
        "typed": ("handler", "acme-typed", "1.2", "in use", ["a", "b"]),
        "around": ("middleware", "acme-around", "1.2", "in use", ["a"]),
        "shop": ("wsgi", "acme-shop", "1.2", "in use", ["d"]),
        "index:handle": ("handler", None, None, "in use", ["c"]),
    }
    assert found["hello"]["state"] == "unused"
    assert found["typed"]["description"] == "Makes things."


def test_settings_are_listed_with_their_types_and_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = listed(capsys)
    assert [tuple(each.values()) for each in found["typed"]["settings"]] == [
        ("width", "int", True, None),
        ("names", "list[str]", False, "made for each function"),
        ("mode", "Literal['fast', 'good']", False, "'fast'"),
    ]
    assert (found["typed"]["takes_any"], found["hello"]["takes_any"]) == (False, True)
    assert (found["hello"]["settings"], found["shop"]["takes_any"]) == (None, False)
    assert run(["plugins"]) == 0
    out = capsys.readouterr().out
    assert "\ntyped: Makes things.\n  width: int, required\n  names: list[str], default made" in out


BROKEN = {
    "missing": "import nowhere_at_all\n",
    "exits": "raise SystemExit(3)\n",
    "kills": "import os\nos._exit(3)\n",
    "empty": "handle = 3\n",
    "misspelt": "from fcplug import hookimpl\n@hookimpl\ndef invok(event): ...\nhandle = None\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_listed_with_the_reason_and_the_others_as_they_are(
    name: str, install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    value = f"acme_{name}" if name == "misspelt" else f"acme_{name}:handle"
    install(f"acme-{name}", {f"acme_{name}": BROKEN[name]}, handlers={name: value})
    found = listed(capsys, code=1)
    assert [each["name"] for each in found.values() if each["state"] == "broken"] == [name]
    reason = {
        "missing": "No module named 'nowhere_at_all'",
        "exits": "SystemExit: 3",
        "kills": "it ended the process with exit code 3",
        "empty": "an object of type int has no hooks",
        "misspelt": "unknown hook 'invok' (did you mean 'invoke'?)",
    }[name]
    assert reason in found[name]["broken"]
    assert run(["plugins"]) == 1
    assert "  broken: " in capsys.readouterr().out


def test_a_name_that_two_packages_offer_is_listed_as_it_must_be_written(
    install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    install("other", {"other_typed": TYPED}, handlers={"typed": "other_typed:Typed"})
    assert {"acme-typed:typed", "other:typed"} <= listed(capsys).keys()


def test_without_a_configuration_nothing_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = listed(capsys)
    assert "index:handle" not in found
    assert {each["state"] for each in found.values()} == {"unused"}


def test_of_a_wrong_configuration_what_is_sound_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(tmp_path / "project", f"{CONFIG}  e: {{handler: typed, timeuot: 3}}\n")
    assert run(["plugins", "--json"]) == 0
    captured = capsys.readouterr()
    used = {each["name"]: each["used_by"] for each in json.loads(captured.out)["plugins"]}
    assert used["typed"] == ["a", "b", "e"]
    assert captured.err == (
        "warning: config/functions.yaml has problems, and some of its functions may be left out: "
        "see fcplug check\n"
    )


def test_the_cost_of_each_import_is_listed_worst_first(
    install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    slow = "import time, acme_dep\ntime.sleep(0.2)\nkept = b'x' * (1 << 25)\ndef handle(e): ...\n"
    modules = {"acme_slow": slow, "acme_dep": "import time\ntime.sleep(1)\n"}
    install("acme-slow", modules, handlers={"slow": "acme_slow:handle"})
    costs = {name: each["cost"] for name, each in listed(capsys, "--cost").items()}
    assert costs["slow"]["own_ms"] >= 200
    assert costs["slow"]["total_ms"] >= 1000 + costs["slow"]["own_ms"] * 0.9
    assert costs["slow"]["memory_bytes"] >= 1 << 25
    assert costs["slow"]["modules"] == 2
    totals = [each["total_ms"] for each in costs.values()]
    assert totals == sorted(totals, reverse=True)


def test_a_plugin_that_leaves_a_process_or_ends_its_own_does_not_hold_up_the_others(
    install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    leaves = "import subprocess\nsubprocess.Popen(['sleep', '600'])\ndef handle(event): ...\n"
    install("acme-leaves", {"acme_leaves": leaves}, handlers={"leaves": "acme_leaves:handle"})
    measured = "if 'fcplug.inspection.measuring' in sys.modules: os._exit(3)"
    code = f"import os, sys\n{measured}\ndef handle(event): ...\n"
    install("acme-ends", {"acme_ends": code}, handlers={"ends": "acme_ends:handle"})
    costs = {name: each["cost"] for name, each in listed(capsys, "--cost").items()}
    assert costs["ends"] is None
    assert costs["leaves"]["modules"] >= 1
    assert costs["hello"]["total_ms"] > 0


def test_500_plugins_are_listed_by_two_processes(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = site / "many-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: many\nVersion: 1\n")
    rows = "".join(f"plugin-{i} = many_plugins:handle\n" for i in range(500))
    (info / "entry_points.txt").write_text(f"[fcplug.handlers]\n{rows}")
    seen = "with open('pids', 'a') as file: print(os.getpid(), file=file)"
    (site / "many_plugins.py").write_text(f"import os\n{seen}\ndef handle(event): ...\n")
    assert sum(name.startswith("plugin-") for name in listed(capsys)) == 500
    assert len(Path("pids").read_text().split()) == 1


@pytest.mark.parametrize("columns", ["40", "80", "120"])
def test_no_row_is_wider_than_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["plugins"]) == 0
    table = capsys.readouterr().out.partition("\n\n")[0]
    assert max(len(row.rstrip()) for row in table.splitlines()) <= int(columns)


def test_colours_are_for_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    command = [sys.executable, "-c", code, sys.executable, "-m", "fcplug", "plugins"]
    for environ, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        done = subprocess.run(
            command,
            env=environment(TERM="xterm", **environ),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert b"thumbnail" in done.stdout
        assert (b"\x1b[32m" in done.stdout or b"\x1b[1;31m" in done.stdout) == coloured
    assert run(["plugins"]) == 0
    assert "\x1b" not in capsys.readouterr().out
