"""The command line: what it says, and the code it ends with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import fcplug
from support.commands import unmeasured
from support.deployed import ROOT, deploy, free_port, start

CONFIG = """\
version: 1
functions:
  hello: {handler: greeter.handle}
  broken: {handler: nowhere.handle}
"""
FILES = {"greeter.py": "def handle(event, context):\n    return b'hello ' + event\n"}


def fcplug_command(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fcplug", *arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    done = fcplug_command("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"fcplug {fcplug.__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("sreve",), ("serve", "--port", "many")])
def test_wrong_usage_ends_with_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = fcplug_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: fcplug" in done.stderr


def test_a_wrong_configuration_ends_with_one_and_the_whole_report(tmp_path: Path) -> None:
    folder = deploy(tmp_path, "version: 1\nfunctions:\n  a: {handlr: x}\n  b: {handler: 3}\n")
    done = fcplug_command("serve", cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "config/functions.yaml:3:7: functions.a: unknown key 'handlr' (did you mean 'handler'?)",
        "config/functions.yaml:4:7: functions.b.handler: expected text, got a whole number",
    ]


def test_a_missing_configuration_is_reported_by_its_name(tmp_path: Path) -> None:
    done = fcplug_command("serve", "--config", "nowhere.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("nowhere.yaml: there is no such file, but --config names it\n")


@pytest.mark.parametrize("name", ["functions.yaml", "config/functions.yaml"])
def test_a_configuration_that_lies_right_here_is_found_or_named(tmp_path: Path, name: str) -> None:
    deploy(tmp_path, CONFIG)
    shutil.move(tmp_path / "config" / "functions.yaml", tmp_path / "lies-here.yaml")
    shutil.move(tmp_path / "lies-here.yaml", tmp_path / name)
    done = fcplug_command("serve", "--port", "99999", cwd=tmp_path)
    assert done.returncode == 1
    if name == "functions.yaml":
        assert done.stderr.splitlines() == [
            "config/functions.yaml: there is no configuration",
            f"  looked for: {tmp_path}/config/functions.yaml, /code/config/functions.yaml",
            "  fix: functions.yaml is there: fcplug serve --config functions.yaml",
        ]
    else:
        assert "cannot listen" in done.stderr


def by_command(folder: Path, command: str) -> Path:
    """Replace bootstrap by a start command, as a function of FC may have one."""
    (folder / "bootstrap").write_text(f"#!/bin/sh\n{command.replace('python3', sys.executable)}\n")
    return folder


def test_by_a_start_command_the_configuration_beside_the_code_is_found(tmp_path: Path) -> None:
    folder = by_command(deploy(tmp_path, CONFIG, FILES), 'cd /; exec python3 -m fcplug serve "$@"')
    with start(folder, environ={"FC_FUNC_CODE_PATH": str(folder)}) as instance:
        assert f"of {folder}/config/functions.yaml" in instance.log
        assert instance.invoke("hello", b"you").body == b"hello you"


def test_a_handler_that_changes_the_folder_does_not_hide_edits(tmp_path: Path) -> None:
    code = "import os\ndef handle(event):\n    os.chdir('/')\n    return b'moved'\n"
    folder = deploy(tmp_path, CONFIG, {**FILES, "mover.py": code})
    by_command(folder, 'exec python3 -m fcplug serve --config config/functions.yaml "$@"')
    config = folder / "config" / "functions.yaml"
    config.write_text(f"{CONFIG}  move: {{handler: mover.handle}}\n")
    with start(folder) as instance:
        assert instance.invoke("move").body == b"moved"
        config.write_text(f"{CONFIG}  new: {{handler: greeter.handle, timeuot: 3}}\n")
        _until(lambda: instance.invoke("hello") and "the edit is rejected" in instance.log)
        assert "\nconfig/functions.yaml:5:34: functions.new: unknown key" in instance.log
        config.write_text(f"{CONFIG}  new: {{handler: greeter.handle}}\n")
        _until(lambda: instance.invoke("new", b"you").body == b"hello you")


def test_a_handler_that_changes_the_folder_does_not_move_the_workers(tmp_path: Path) -> None:
    move = "import os\ndef handle(event):\n    os.chdir('/')\n    return b'moved'\n"
    where = "import os\ndef handle(event):\n    return os.getcwd()\n"
    config = (
        "version: 1\ndefaults: {max_calls: 1, isolation: process}\nfunctions:\n"
        "  move: {handler: mover.handle, isolation: thread, max_calls: null}\n"
        "  here: {handler: where.handle}\n"
        "  own: {handler: where.handle, python: its-own}\n"
    )
    folder = deploy(tmp_path, config, {"mover.py": move, "where.py": where})
    (folder / "its-own").symlink_to(sys.prefix)
    with start(folder) as instance:
        assert instance.invoke("move").body == b"moved"
        for _ in range(3):  # each by a worker of its own: the next one starts after the move
            assert instance.invoke("here").body == str(folder).encode()
            assert instance.invoke("own").body == str(folder).encode()


def test_a_configuration_that_stays_away_is_a_warning(tmp_path: Path) -> None:
    folder = deploy(tmp_path, CONFIG, FILES)
    with start(folder) as instance:
        (folder / "config" / "functions.yaml").unlink()
        _until(lambda: instance.invoke("hello").status == 200 and " is gone: " in instance.log)
        assert instance.log.count(f"{folder}/config/functions.yaml is gone: the running") == 1


def _until(claim: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("bootstrap",), ROOT / "bootstrap"),
        (("schema", "--plain"), ROOT / "config" / "functions.schema.json"),
    ],
)
def test_a_file_that_a_project_needs_is_printed_or_written(
    tmp_path: Path, command: str, file: Path
) -> None:
    printed = fcplug_command(*command, cwd=tmp_path).stdout
    assert printed == file.read_text("utf-8"), "run: make schema; cp bootstrap fcplug/assets/"
    done = fcplug_command(*command, "-o", "written", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    written = tmp_path / "written"
    assert written.read_bytes() == file.read_bytes()
    assert os.access(written, os.X_OK) == ("bootstrap" in command)
    assert os.access(written, os.X_OK) == os.access(file, os.X_OK)


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_text("mine")
    done = fcplug_command("bootstrap", "-o", "bootstrap", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "bootstrap: it exists already: --force replaces it\n"
    assert (tmp_path / "bootstrap").read_text() == "mine"
    assert fcplug_command("bootstrap", "-o", "bootstrap", "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "bootstrap").read_bytes() == (ROOT / "bootstrap").read_bytes()
    assert os.access(tmp_path / "bootstrap", os.X_OK)
    assert os.listdir(tmp_path) == ["bootstrap"]


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("none/schema.json", "none/schema.json: No such file or directory"),
        (".", ".: this is a folder: name the file: ./functions.schema.json"),
    ],
)
def test_a_file_that_cannot_be_written_is_reported(
    tmp_path: Path, target: str, what: str, force: tuple[str, ...]
) -> None:
    done = fcplug_command("schema", "-o", target, *force, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"{what}\n")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_reported() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fcplug", "schema"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "standard output: No space left on device\n"


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path) -> None:
    target = tmp_path / "schema.json"
    code = (
        "import resource, signal, sys\n"
        "from fcplug import cli\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "sys.exit(cli.main(['schema', '--plain', '-o', sys.argv[1]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(target)], env=unmeasured(),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, f"{target}: File too large\n")
    assert os.listdir(tmp_path) == []


def test_a_port_in_use_is_reported_with_the_fix(tmp_path: Path) -> None:
    folder = deploy(tmp_path, CONFIG, FILES)
    with start(folder) as instance:
        done = fcplug_command("serve", "--port", str(instance.port), cwd=folder)
    assert done.returncode == 1
    assert f"cannot listen on 0.0.0.0:{instance.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_variable_that_is_not_a_port_is_reported(tmp_path: Path) -> None:
    folder = deploy(tmp_path, CONFIG, FILES)
    done = fcplug_command("serve", cwd=folder, FC_SERVER_PORT="web")
    assert done.returncode == 1
    assert done.stderr == "FC_SERVER_PORT is 'web': expected a port number from 0 to 65535\n"


@pytest.mark.parametrize(
    "variables", [("FC_SERVER_PORT",), ("FC_CUSTOM_LISTEN_PORT",), ("FC_SERVER_PORT", "")]
)
def test_the_port_comes_from_the_environment(
    tmp_path: Path, variables: tuple[str, ...]
) -> None:  # items 1, 2
    folder, port = deploy(tmp_path, CONFIG, FILES), free_port()
    run = f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -m fcplug serve "$@"\n'
    (folder / "bootstrap").write_text(run)
    with start(folder, environ={name: str(port) for name in variables if name}) as instance:
        assert instance.port == port
        listening = Path("/proc/net/tcp").read_text()
        assert f"00000000:{port:04X} 00000000:0000 0A" in listening


def test_the_start_says_what_is_served_and_what_to_try(tmp_path: Path) -> None:  # item 68
    with start(deploy(tmp_path, CONFIG, FILES)) as instance:
        lines = instance.log.splitlines()
    assert lines[0] == "FunctionCompute fcplug runtime inited."
    assert "open to everybody" in lines[1]
    assert lines[2] == (
        f"fcplug {fcplug.__version__} on port {instance.port} serves 2 functions "
        f"of {tmp_path}/config/functions.yaml"
    )
    assert "  hello   greeter.handle" in lines
    assert "  broken  nowhere.handle  NOT LOADED: ImportModuleError (see above)" in lines
    assert any("Unable to import module 'nowhere'" in line for line in lines)
    header = "-H 'x-fc-function-name: hello'"
    assert lines[-1] == f"try: curl -d Ada {header} http://127.0.0.1:{instance.port}/invoke"


def test_on_fc_only_the_function_that_is_called_comes_to_life(tmp_path: Path) -> None:
    folder = deploy(tmp_path, CONFIG, FILES)
    with start(folder, environ={"FC_FUNCTION_NAME": "hello"}) as instance:
        assert "NOT LOADED" not in instance.log
        assert instance.invoke("broken").status == 404


def test_on_fc_a_function_that_is_not_configured_is_reported_at_start(tmp_path: Path) -> None:
    folder = deploy(tmp_path, CONFIG, FILES)
    with start(folder, environ={"FC_FUNCTION_NAME": "helo"}) as instance:
        assert "no function 'helo' (did you mean 'hello'?)" in instance.log
        assert instance.invoke("hello", b"you").body == b"hello you"


def test_of_many_functions_only_those_that_failed_are_listed(tmp_path: Path) -> None:
    many = "".join(f"  f{index}: {{handler: greeter.handle}}\n" for index in range(30))
    with start(deploy(tmp_path, CONFIG + many, FILES)) as instance:
        assert " serves 32 functions of " in instance.log
        assert "  broken  nowhere.handle" in instance.log
        assert "  f7 " not in instance.log


def test_editing_the_configuration_and_starting_again_switches_the_handler(tmp_path: Path) -> None:
    files = {**FILES, "parting.py": "def handle(event, context):\n    return b'bye ' + event\n"}
    folder = deploy(tmp_path, CONFIG, files)
    with start(folder) as instance:
        assert instance.invoke("hello", b"you").body == b"hello you"
    deploy(folder, CONFIG.replace("greeter", "parting"))
    with start(folder) as instance:
        assert instance.invoke("hello", b"you").body == b"bye you"


def test_a_misspelled_name_that_the_default_answers_is_logged_once(tmp_path: Path) -> None:
    with start(deploy(tmp_path, f"{CONFIG}default: hello\n", FILES)) as instance:
        for _ in range(2):
            assert instance.invoke("helo", b"Ada").body == b"hello Ada"
        (line,) = [line for line in instance.log.splitlines() if "no function" in line]
    assert (
        "[WARNING] no function 'helo' (did you mean 'hello'?): 'hello' answers in its place" in line
    )


def test_on_fc_a_function_of_an_unknown_name_is_logged_at_the_start(tmp_path: Path) -> None:
    folder = deploy(tmp_path, f"{CONFIG}default: hello\n", FILES)
    with start(folder, environ={"FC_FUNCTION_NAME": "helo"}) as instance:
        assert "no function 'helo' (did you mean 'hello'?): 'hello' answers" in instance.log
        assert instance.invoke("helo", b"Ada").body == b"hello Ada"
        assert instance.log.count("no function 'helo'") == 1


def test_the_only_function_answers_a_call_that_names_none(tmp_path: Path) -> None:
    config = "version: 1\nfunctions: {hello: {handler: greeter.handle}}\n"
    with start(deploy(tmp_path, config, FILES)) as instance:
        assert instance.invoke("", b"Ada").body == b"hello Ada"
        assert instance.invoke("helo").status == 404


def test_json_logs_are_one_object_a_line(tmp_path: Path) -> None:
    code = "import logging\ndef handle():\n    logging.warning('a\\nb', extra={'order': 7})\n"
    folder = deploy(
        tmp_path,
        "version: 1\nruntime: {log_format: json}\nfunctions: {f: {handler: says.handle}}\n",
        {"says.py": code},
    )
    with start(folder) as instance:
        instance.invoke("f", x_fc_request_id="r-1")
        (line,) = [line for line in instance.log.splitlines() if '"requestId": "r-1"' in line]
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "WARNING", "logger": "root", "requestId": "r-1", "message": "a\nb", "order": 7,
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_runs_the_stop_hooks_and_ends_with_zero(
    tmp_path: Path, number: signal.Signals
) -> None:  # item 13
    code = (
        "from fcplug import hookimpl\n"
        "class Stops:\n"
        "    @hookimpl\n    def invoke(self): return b''\n"
        "    @hookimpl\n    def pre_stop(self): print('closed')\n"
    )
    folder = deploy(tmp_path, "version: 1\nfunctions: {f: {handler: stops.Stops}}\n",
                    {"stops.py": code})  # fmt: skip
    with start(folder) as instance:
        instance.invoke("f")
        assert instance.stop(number) == 0
        assert "PreStop Start RequestId: " in instance.log
        assert instance.log.count("closed") == 1


def test_a_thread_that_a_plugin_left_behind_does_not_keep_the_process(tmp_path: Path) -> None:
    code = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "def handle(): return b''\n"
    )
    folder = deploy(tmp_path, "version: 1\nfunctions: {f: {handler: stays.handle}}\n",
                    {"stays.py": code})  # fmt: skip
    with start(folder) as instance:
        assert instance.invoke("f").status == 200
        assert instance.stop() == 0


@pytest.mark.parametrize("name", ["serve", "bootstrap", "schema"])
def test_the_help_of_a_command_shows_an_example(name: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "fcplug", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Example: fcplug {name} -" in shown.stdout
