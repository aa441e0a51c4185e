"""``fcplug doctor``: the facts of a bug report, what is wrong, and never a credential."""

import json
import os
import py_compile
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fcplug
from fcplug.tools.main import run
from support.deployed import deploy

CONFIG = "version: 1\nfunctions:\n  a: {handler: index:handle}\n  b: {handler: index:handle}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    with socket.socket() as free:
        free.bind(("", 0))
        monkeypatch.setenv("FC_SERVER_PORT", str(free.getsockname()[1]))


def report(capsys: pytest.CaptureFixture[str], code: int | None = None) -> dict[str, Any]:
    ended = run(["doctor", "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ended == (1 if document["problems"] else 0)
    assert code in (None, ended)
    return document


def whats(found: list[dict[str, str]], about: str) -> list[str]:
    return [each["what"] for each in found if about in each["what"]]


def test_the_report_has_python_packages_plugins_paths_and_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy(Path(), CONFIG)
    found = report(capsys)
    assert found["python"]["executable"] == sys.executable
    assert found["python"]["fcplug"].startswith(f"{fcplug.__version__} in ")
    assert {"falcon", "waitress", "pluggy", "msgspec", "fcplug"} <= found["packages"].keys()
    assert found["plugins"]["handlers hello"].startswith("fcplug_hello:handle (fcplug-hello ")
    assert found["configuration"]["file"] == str(Path("config/functions.yaml").resolve())
    assert (found["configuration"]["functions"], found["configuration"]["problems"]) == ("2", "0")
    assert found["path"] == sys.path
    run(["doctor"])
    out = capsys.readouterr().out
    assert all(f"\n{heading}\n" in f"\n{out}" for heading in ("python", "packages", "environment"))


@pytest.mark.parametrize(
    ("text", "file", "problems"),
    [
        (None, "none", None),
        (f"{CONFIG}x: 1\n", "config/functions.yaml", "1: fcplug check lists them"),
    ],
)
def test_a_configuration_that_is_missing_or_wrong_is_a_fact(
    capsys: pytest.CaptureFixture[str], text: str | None, file: str, problems: str | None
) -> None:
    if text:
        deploy(Path(), text)
    found = report(capsys)["configuration"]
    assert found["file"].endswith(file)
    assert found.get("problems") == problems


def test_a_configuration_that_the_environment_names_and_is_not_there_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCPLUG_CONFIG", "nowhere.yaml")
    assert "nowhere.yaml: there is no such file" in report(capsys)["configuration"]["file"]


def test_no_credential_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ("FC_ACCESS_KEY_SECRET", "FCPLUG_TOKEN")
    for name in ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "PIP_INDEX_URL", *ours):
        monkeypatch.setenv(name, "hunter2-and-more")
    monkeypatch.setenv("PYTHONUTF8", "1")
    deploy(Path(), f"{CONFIG}runtime: {{auth: {{tokens: ['hunter2-and-more-and-more']}}}}\n")
    environment = report(capsys)["environment"]
    assert environment["PYTHONUTF8"] == "1"
    assert (environment["FCPLUG_TOKEN"], environment["FC_ACCESS_KEY_SECRET"]) == ("(set)", "(set)")
    for arguments in (["doctor"], ["doctor", "--json"]):
        run(arguments)
        assert "hunter2" not in "".join(capsys.readouterr())


def test_requirements_that_are_not_met_are_problems(
    install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    needs = ["acme-none>=2", "falcon<1; python_version > '3'", "pluggy>=1", "never; extra == 'x'"]
    install("acme-needy", requires=[*needs, "acme-windows; sys_platform == 'win32'"])
    found = report(capsys, 1)["problems"]
    assert [each.partition(" requires ")[2] for each in whats(found, "acme-needy")] == [
        "acme-none>=2, which is not installed",
        f"falcon<1, and {report(capsys)['packages']['falcon']} is installed",
    ]
    assert found[0]["fix"].startswith("pip install ")
    assert run(["doctor"]) == 1
    assert "problem: acme-needy 1.2 requires acme-none>=2" in capsys.readouterr().out


def test_two_distributions_that_own_one_module_are_a_problem(
    site: Path, install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("acme-one", "acme-two"):
        info = install(name, {"acme_shared": "x = 1\n"})
        (info / "RECORD").write_text(f"acme_shared.py,,\n{name}.py,,\n")
    what = f"acme-one 1.2 and acme-two 1.2 both own {site}/acme_shared.py"
    assert whats(report(capsys, 1)["problems"], what)


def test_a_distribution_that_is_there_twice_is_a_problem(
    site: Path, install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    info = install("acme-one")
    other = site / "acme_one-1.1.dist-info"
    shutil.copytree(info, other)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-one\nVersion: 1.1\n")
    assert whats(report(capsys, 1)["problems"], f"{site} has acme-one in 2 versions: 1.1, 1.2")


def test_modules_of_plugins_without_bytecode_are_a_note(
    site: Path, install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    modules = {"acme_one": "def f(e): ...\n", "acme_more": ""}
    info = install("acme-one", modules, handlers={"one": "acme_one:f"})
    (info / "RECORD").write_text("acme_one.py,,\nacme_more.py,,\n")
    py_compile.compile(str(site / "acme_more.py"))
    notes = report(capsys)["notes"]
    assert whats(notes, "acme-one (1 of 2)")
    py_compile.compile(str(site / "acme_one.py"))
    assert not whats(report(capsys)["notes"], "acme-one")


def test_a_port_in_use_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("", int(os.environ["FC_SERVER_PORT"]))) as server:
        port = server.getsockname()[1]
        assert whats(
            report(capsys)["notes"], f"cannot listen on port {port}: Address already in use"
        )
    assert not whats(report(capsys)["notes"], "cannot listen")


def test_a_port_that_is_none_is_a_note(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FC_SERVER_PORT", "many")
    assert whats(report(capsys)["notes"], "FC_SERVER_PORT")
