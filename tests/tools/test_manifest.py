"""``fcplug manifest``: what it writes, what it never overwrites, and what the check says later."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcplug.tools.main import run
from support import fc3_schema
from support.commands import environment
from support.commands import run as run_process
from support.deployed import deploy
from support.waiting import wait_until

CONFIG = """\
version: 1
functions:
  hello: {handler: app.handle, timeout: 30}
  typed:
    handler: app:Typed
    triggers: {often: {timer: {cron_expression: "@every 5m"}}}
  site: {wsgi: "app:site"}
"""
CODE = """\
from fcplug import hookimpl

def handle(event, context): return event

class Typed:
    @hookimpl
    def initialize(self, context): open("ran", "w")
    @hookimpl
    def invoke(self, event): ...
    @hookimpl
    def pre_stop(self, context): ...

def site(environ, start_response): ...
"""


CODE_WITH_HOOK = """\
class Hello:
    @hookimpl
    def initialize(self, context): ...
    @hookimpl
    def invoke(self, event): ...

handle = Hello()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = deploy(tmp_path / "shop", CONFIG, {"app.py": CODE})
    monkeypatch.chdir(made)
    return made


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def drifts(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    run(["check", "--format", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    return [each for each in found if each["rule"] == "fc-drift"]


def test_a_written_file_is_valid_and_the_check_finds_nothing(folder: Path) -> None:
    done = run_process("manifest", "s.yaml", "-o", ".", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"s.yaml: new\n")
    found = yaml.safe_load((folder / "s.yaml").read_text())
    fc3_schema.check(found)
    assert found["name"] == "shop"
    assert list(found["resources"]) == ["hello", "typed", "site"]
    hooks = found["resources"]["typed"]["props"]["instanceLifecycleConfig"]
    assert list(hooks) == ["initializer", "preStop"]
    assert not (folder / "ran").exists()
    checked = run_process("check", "--strict", cwd=folder)
    assert checked.returncode == 0
    assert checked.stdout.endswith(b"3 functions, compared with s.yaml: no problems\n")


def test_a_later_edit_of_either_file_is_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    edit(folder / "config" / "functions.yaml", "timeout: 30", "timeout: 20")
    (one,) = drifts(capsys)
    assert (one["file"], one["at"]) == ("s.yaml", "resources.hello.props.timeout")
    assert one["what"] == "31 here, and config/functions.yaml gives 21"
    assert one["fix"].startswith("run fcplug manifest s.yaml --name shop --region cn-hangzhou ")
    assert run(one["fix"].split()[2:]) == 0
    assert drifts(capsys) == []
    edit(folder / "s.yaml", "timeout: 21", "timeout: 90")
    (one,) = drifts(capsys)
    assert one["what"] == "90 here, and config/functions.yaml gives 21"
    assert one["fix"].startswith("write it into s.overlay.yaml, then run ")
    over = "resources: {hello: {props: {timeout: 90}}}\n"
    (folder / "s.overlay.yaml").write_text(over)
    assert drifts(capsys) == []
    edit(folder / "config" / "functions.yaml", "  site:", "  other:")
    assert [each["at"] for each in drifts(capsys)] == ["resources.other", "resources.site"]


def test_a_check_gives_one_advice_for_one_edit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    edit(folder / "config" / "functions.yaml", "timeout: 30", "timeout: 90")
    text = CODE.replace("def handle(event, context): return event", CODE_WITH_HOOK)
    (folder / "app.py").write_text(text)
    capsys.readouterr()
    run(["check", "--format", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {(each["rule"], each["at"]) for each in found} == {
        ("fc-drift", "resources.hello.props.timeout"),
        ("fc-drift", "resources.hello.props.instanceLifecycleConfig"),
    }
    (folder / "s.overlay.yaml").write_text("resources: {hello: {props: {timeout: 5}}}\n")
    run(["check", "--format", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert ("fc-timeout", "functions.hello.timeout") in {(e["rule"], e["at"]) for e in found}


def test_an_edit_is_never_overwritten_without_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    edit(folder / "config" / "functions.yaml", "timeout: 30", "timeout: 20")
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    states = capsys.readouterr().err.splitlines()
    assert states == ["s.yaml: new", "s.yaml: unchanged", "s.yaml: updated"]
    edit(folder / "s.yaml", "timeout: 21", "timeout: 90")
    before = (folder / "s.yaml").read_text()
    assert run(["manifest", "s.yaml", "-o", "."]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "s.yaml: it was edited, and nothing is overwritten; it would change:"
    assert error[1].startswith("  -      timeout: 90")
    assert error[2].startswith("  +      timeout: 21")
    assert error[3].startswith("  fix: write your values into s.overlay.yaml, then --force ")
    assert (folder / "s.yaml").read_text() == before
    assert run(["manifest", "s.yaml", "-o", ".", "--force", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made == {"folder": ".", "files": [{"path": "s.yaml", "state": "overwritten"}]}


def test_a_file_that_fcplug_did_not_make_is_never_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "s.yaml").write_text("edition: 3.0.0\nname: mine\x1b[2J\n")
    assert run(["manifest", "s.yaml", "-o", "."]) == 1
    error = capsys.readouterr().err
    assert error.startswith("s.yaml: it was not made by fcplug manifest, and nothing is overwr")
    assert "\x1b" not in error
    assert drifts(capsys) == []


def test_line_ends_that_git_changed_are_no_edit(folder: Path) -> None:
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    text = (folder / "s.yaml").read_bytes()
    (folder / "s.yaml").write_bytes(text.replace(b"\n", b"\r\n"))
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    assert (folder / "s.yaml").read_bytes() == text


def test_options_that_are_not_given_are_those_of_the_file_that_is_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--region", "eu-west-1", "--image", "custom.debian11", "-f", "hello", "--name", "my"]
    assert run(["manifest", "s.yaml", "-o", ".", *given]) == 0
    before = (folder / "s.yaml").read_text()
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    assert (folder / "s.yaml").read_text() == before
    assert run(["manifest", "s.yaml", "-o", ".", "-f", "typed"]) == 0
    found = yaml.safe_load((folder / "s.yaml").read_text())
    assert (found["name"], found["vars"]["region"]) == ("my", "eu-west-1")
    assert list(found["resources"]) == ["typed"]
    assert run(["manifest", "s.yaml", "-o", ".", "--reset"]) == 0
    found = yaml.safe_load((folder / "s.yaml").read_text())
    assert (found["name"], found["vars"]["region"]) == ("shop", "cn-hangzhou")
    assert len(found["resources"]) == 3
    edit(folder / "s.yaml", "--region cn-hangzhou", "--help")
    assert run(["manifest", "s.yaml", "-o", ".", "--force"]) == 0
    assert "Usage" not in capsys.readouterr().out


def test_another_python_of_the_image_is_the_one_that_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "--python", "3.13", "-o", "."]) == 0
    found = yaml.safe_load((folder / "s.yaml").read_text())
    variables = found["resources"]["hello"]["props"]["environmentVariables"]
    assert variables["FCPLUG_PYTHON"] == "/var/fc/lang/python3.13/bin/python3"
    assert variables["PATH"].startswith("/code/python/bin:/var/fc/lang/python3.13/bin:/usr/local")
    assert drifts(capsys) == []


def test_a_folder_with_an_odd_name_breaks_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = deploy(tmp_path / "a\nb: {\x1b[2J\u2028", CONFIG, {"app.py": CODE})
    (folder / "s.overlay.yaml").write_text("resources: {hello: {props: {timeout: 90}}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FC_FUNC_CODE_PATH", str(folder))
    config = str(folder / "config" / "functions.yaml")
    assert run(["manifest", "s.yaml", "--config", config, "-o", str(folder)]) == 0
    assert run(["manifest", "s.yaml", "--config", config, "-o", str(folder)]) == 0
    assert capsys.readouterr().err.endswith("s.yaml: unchanged\n")
    fc3_schema.check(yaml.safe_load((folder / "s.yaml").read_text()))
    assert run(["check", config]) == 0
    assert "no problems" in capsys.readouterr().out


def test_without_a_folder_only_the_file_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "--region", "eu-central-1", "-f", "hello"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = yaml.safe_load(printed.out)
    assert found["vars"]["region"] == "eu-central-1"
    assert list(found["resources"]) == ["hello"]
    assert not (folder / "s.yaml").exists()
    assert run(["manifest", "s.yaml", "--json"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert (file["path"], file["state"]) == ("s.yaml", "printed")
    assert yaml.safe_load(file["text"])["name"] == "shop"


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["-f", "helo"], 2, "there is no function 'helo' (did you mean 'hello'?)"),
        (["--image", "custom"], 2, "is not one of"),
        (["--region", "Moon"], 2, "--region: 'Moon' is not a region, such as cn-hangzhou"),
        (["--name", "a\nb"], 2, "--name"),
        (["--code", "${x}"], 2, "--code"),
        (["--python", "3.9"], 2, "--python: '3.9' is not a version from 3.10 on"),
        (["--config", "none.yaml"], 1, "none.yaml"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    expected: str,
) -> None:
    assert run(["manifest", "s.yaml", *arguments]) == code
    printed = capsys.readouterr()
    assert (printed.out, expected in printed.err) == ("", True), printed.err


def test_mistakes_of_the_configuration_and_its_plugins_are_errors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "version: 1\nfunctions:\n  a: {handler: app.handel}\n  b: {handler: app.handle, x: 1}\n"
    (folder / "config" / "functions.yaml").write_text(text)
    assert run(["manifest", "s.yaml", "-o", "."]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[0].startswith("config/functions.yaml:3:7: functions.a.handler: ")
    assert error[1].startswith("config/functions.yaml:4:28: functions.b: unknown key 'x'")
    assert error[2] == "  fix: correct them; fcplug check shows each with its cause"
    assert not (folder / "s.yaml").exists()


def test_the_fix_for_a_missing_configuration_is_a_command_that_makes_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "--config", "no.yaml"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "no.yaml: there is no such file",
        "  fix: fcplug manifest s.yaml --config config/functions.yaml",
    ]
    (folder / "config" / "functions.yaml").unlink()
    assert run(["manifest", "s.yaml"]) == 1
    assert capsys.readouterr().err.endswith("  fix: fcplug new project NAME makes one\n")


def test_a_mistake_of_the_overlay_is_an_error_here_and_a_warning_of_the_check(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    (folder / "s.overlay.yaml").write_text("resources: {hello: {props: {timeout: 0}}}\n")
    assert run(["manifest", "s.yaml", "-o", "."]) == 1
    assert "s.overlay.yaml:1:29: resources.hello.props.timeout: 0 is" in capsys.readouterr().err
    (one,) = drifts(capsys)
    assert (one["file"], one["at"]) == ("s.overlay.yaml", "resources.hello.props.timeout")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "--region cn-hangzhou",
            "--regoin cn-hangzhou",
            "cannot be run again: No such option '--regoin'",
        ),
        ("--region cn-hangzhou", "--help", "cannot be run again: No such option: --help"),
        ("--region cn-hangzhou", "-f nowhere", "there is no function 'nowhere'"),
    ],
)
def test_first_lines_that_somebody_broke_are_reported(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, expected: str
) -> None:
    assert run(["manifest", "s.yaml", "-o", "."]) == 0
    edit(folder / "s.yaml", old, new)
    (one,) = drifts(capsys)
    assert expected in one["what"]


def test_a_link_stays_a_link_and_a_missing_folder_is_made(folder: Path, tmp_path: Path) -> None:
    (folder / "deploy").mkdir()
    (folder / "deploy" / "s.yaml").symlink_to(tmp_path / "real.yaml")
    assert run(["manifest", "s.yaml", "-o", "deploy"]) == 0
    assert (folder / "deploy" / "s.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text().startswith("# Deploys ")
    assert run(["manifest", "s.yaml", "-o", "new/folder"]) == 0
    assert os.listdir(folder / "new" / "folder") == ["s.yaml"]


@pytest.mark.parametrize("output", ["app.py", "config/functions.yaml/x", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    assert run(["manifest", "s.yaml", "-o", output]) == 1
    assert capsys.readouterr().err.startswith(f"{output}/s.yaml: ")
    assert {*os.listdir(folder)} - {"__pycache__"} == {"app.py", "bootstrap", "config"}


def test_an_interrupt_leaves_no_file(folder: Path) -> None:
    slow = "import os, time\nopen('began', 'w').close()\ntime.sleep(60)\n"
    (folder / "app.py").write_text(slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "manifest", "s.yaml", "-o", "."],
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
    )
    wait_until((folder / "began").exists)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error.strip()) == (130, b"interrupted")
    assert not [name for name in os.listdir(folder) if "s.yaml" in name]
