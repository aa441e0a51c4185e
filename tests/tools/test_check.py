"""``fcplug check``: what it finds, where it says so, and what plugins cannot do to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fcplug.tools.main import run
from support.commands import environment
from support.deployed import deploy
from support.waiting import wait_until

CONFIG = "config/functions.yaml"
GOOD = {"greeter.py": "def handle(event, context):\n    return event\n"}
TYPED = """\
from dataclasses import dataclass
from fcplug import hookimpl

@dataclass
class Typed:
    width: int = 3
    @hookimpl
    def initialize(self, context): open("ran", "w")
    @hookimpl
    def invoke(self, event): ...
    @hookimpl
    def pre_stop(self, context): ...
"""
DEPLOYED = """\
edition: 3.0.0
resources:
  a:
    component: fc3
    props:
      region: ${vars.region}
      functionName: a
      runtime: custom.debian12
      timeout: 300
"""


def check(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fcplug", "check", *arguments],
        cwd=cwd,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def findings(cwd: Path, *arguments: str, **environ: str) -> list[dict[str, Any]]:
    done = check("--format", "json", *arguments, cwd=cwd, **environ)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    for severity in ("error", "warning", "note"):
        found = [each for each in report["findings"] if each["severity"] == severity]
        assert report[f"{severity}s"] == len(found)
    assert done.returncode == (1 if report["errors"] else 0)
    listed: list[dict[str, Any]] = report["findings"]
    return listed


def the_only(found: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(found) == 1, found
    return found[0]


def functions(text: str) -> str:
    return f"version: 1\nfunctions:\n{text}"


def test_a_configuration_without_problems_is_fine(tmp_path: Path) -> None:
    folder = deploy(tmp_path, functions("  a: {handler: greeter.handle}\n"), GOOD)
    done = check(cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "config/functions.yaml: 1 function: no problems\n"


def test_all_problems_of_the_file_and_of_all_plugins_are_in_one_report(tmp_path: Path) -> None:
    text = functions(
        "  a: {handler: greeter.handle, timeuot: 3}\n"
        "  b: {handler: nowhere.handle}\n"
        "  c: {handler: typed:Typed, settings: {widht: 3}}\n"
        "  d: {handler: greeter.handel, middleware: [none-such, other-one]}\n"
        "default: e\n"
    )
    folder = deploy(tmp_path, text, {**GOOD, "typed.py": TYPED})
    found = findings(folder)
    assert [(each["line"], each["column"], each["at"], each["rule"]) for each in found] == [
        (3, 32, "functions.a", "configuration"),
        (4, 7, "functions.b.handler", "ImportModuleError"),
        (5, 40, "functions.c.settings", "SettingsInvalid"),
        (6, 7, "functions.d.handler", "HandlerNotFound"),
        (6, 45, "functions.d.middleware[0]", "PluginNotFound"),
        (6, 56, "functions.d.middleware[1]", "PluginNotFound"),
        (7, 1, "default", "configuration"),
    ]
    assert {each["file"] for each in found} == {"config/functions.yaml"}
    assert found[0]["fix"] == "did you mean 'timeout'?"
    assert found[2]["source"].endswith(f"{folder}/typed.py:4")
    assert found[3]["fix"]
    assert found[3]["source"].endswith(f"{folder}/greeter.py")
    assert not (folder / "ran").exists()  # no hook has run


@pytest.mark.parametrize(
    ("sound", "summary"),
    [("a: {handler: greeter.handle}", ": 2 functions"), ("", "")],
    ids=["beside a sound one", "alone"],
)
def test_the_summary_counts_the_functions_of_the_file(
    tmp_path: Path, sound: str, summary: str
) -> None:
    missing = 'b: {handler: greeter.handle, settings: {name: "${MISSING}"}}'
    folder = deploy(tmp_path, functions(f"  {sound}\n  {missing}\n"), GOOD)
    last = check(cwd=folder).stdout.splitlines()[-1]
    assert last == f"config/functions.yaml{summary}: 1 error"


def test_a_finding_shows_its_line_with_carets_below_the_word(tmp_path: Path) -> None:
    folder = deploy(tmp_path, functions("  a: {handler: greeter.handle, timeuot: 3}\n"), GOOD)
    done = check(cwd=folder)
    assert done.returncode == 1
    assert done.stdout.splitlines()[:4] == [
        "error: config/functions.yaml:3:32: functions.a: unknown key 'timeuot'",
        "    3 |   a: {handler: greeter.handle, timeuot: 3}",
        "      |                                ^^^^^^^",
        "  fix: did you mean 'timeout'?",
    ]


def test_the_line_of_the_plugin_is_shown_too(tmp_path: Path) -> None:
    folder = deploy(tmp_path, functions("  a: {handler: bad.f}\n"), {"bad.py": "x = 1\n1 / 0\n"})
    out = check(cwd=folder).stdout
    assert f"  in: handler 'bad.f', {folder}/bad.py:2\n    2 | 1 / 0\n" in out


@pytest.mark.parametrize("columns", ["20", "40"])
def test_on_a_narrow_terminal_the_excerpt_shows_the_place(tmp_path: Path, columns: str) -> None:
    padding = ", ".join(f"k{i}: {i}" for i in range(40))
    line = f"  a: {{handler: greeter.handle, settings: {{{padding}}}, timeuot: 3}}\n"
    folder = deploy(tmp_path, functions(line), GOOD)
    out = check(cwd=folder, COLUMNS=columns).stdout.splitlines()
    carets = next(row for row in out if "^" in row)
    shown = out[out.index(carets) - 1]
    start = carets.index("^")
    assert shown[start : carets.rindex("^") + 1] == "timeuot"
    assert max(map(len, (shown, carets))) <= max(int(columns), 28)


@pytest.mark.parametrize(
    ("code", "limit", "what"),
    [
        ("import os; os._exit(0)", "60", "it ended the process with exit code 0"),
        ("import os; os.kill(os.getpid(), 11)", "60", "it ended the process: SIGSEGV"),
        ("import time; time.sleep(600)", "6", "it took longer than 6 seconds"),
    ],
)
def test_a_plugin_that_ends_the_process_is_reported_and_the_others_are_checked(
    tmp_path: Path, code: str, limit: str, what: str
) -> None:
    text = functions(
        "  a: {handler: bad.f}\n  b: {handler: nowhere.f}\n  c: {handler: greeter.handle}\n"
    )
    folder = deploy(tmp_path, text, {**GOOD, "bad.py": f"print('so far', flush=True)\n{code}\n"})
    first, second = findings(folder, "--timeout", limit)
    assert (first["rule"], first["line"], first["severity"]) == ("process-ended", 3, "error")
    assert f"{what}; it printed: so far" in first["what"]
    assert (second["rule"], second["line"]) == ("ImportModuleError", 4)


def test_a_plugin_that_calls_sys_exit_is_an_error(tmp_path: Path) -> None:
    folder = deploy(tmp_path, functions("  a: {handler: bad.f}\n"), {"bad.py": "raise SystemExit"})
    found = the_only(findings(folder))
    assert (found["rule"], found["severity"]) == ("UserCodeError", "error")
    assert "must not exit while it is imported" in found["fix"]


def test_what_a_plugin_prints_is_in_its_finding_and_nowhere_else(tmp_path: Path) -> None:
    code = "import os, sys\nprint('out \\x1b[31m [b]')\nos.write(2, b'err\\n')\ndef f(event): ...\n"
    folder = deploy(tmp_path, functions("  a: {handler: bad.f}\n"), {"bad.py": code})
    found = the_only(findings(folder))  # else the report would be no JSON
    assert (found["severity"], found["rule"]) == ("note", "import-output")
    assert found["what"].endswith("it printed: err / out \x1b[31m [b]")
    out = check(cwd=folder).stdout
    assert "\x1b" not in out
    assert "out \\x1b[31m [b]" in out


def test_a_plugin_that_reads_from_the_terminal_gets_nothing(tmp_path: Path) -> None:
    files = {"bad.py": "answer = input()\n"}
    folder = deploy(tmp_path, functions("  a: {handler: bad.f}\n"), files)
    assert "EOFError" in the_only(findings(folder))["what"]


def test_a_route_that_contradicts_itself_is_warned_of(tmp_path: Path) -> None:
    text = functions("  a: {handler: greeter.handle}\n") + (
        "routes:\n  - {match: {event: {a: b}, method: GET}, to: a}\n"
    )
    found = the_only(findings(deploy(tmp_path, text, GOOD)))
    assert (found["rule"], found["fix"]) == ("route-unreachable", "correct it, or remove it")
    assert "only web requests have a method" in found["what"]


def test_warnings_fail_only_a_strict_check(tmp_path: Path) -> None:
    text = functions("  a: {handler: greeter.handle}\n") + (
        "routes:\n  - {match: {function: 'a*'}, to: a}\n  - {match: {function: ab}, to: a}\n"
    )
    folder = deploy(tmp_path, text, GOOD)
    found = the_only(findings(folder))
    assert (found["rule"], found["fix"]) == (
        "route-unreachable",
        "put it before the other, or remove it",
    )
    assert check(cwd=folder).returncode == 0
    assert check("--strict", cwd=folder).returncode == 1


def test_a_timeout_above_that_of_the_platform_is_an_error(tmp_path: Path) -> None:
    text = functions("  a: {handler: greeter.handle, timeout: 86401}\n")
    found = the_only(findings(deploy(tmp_path, text, GOOD)))
    assert (found["severity"], found["at"]) == ("error", "functions.a.timeout")
    assert "86400" in found["what"]


@pytest.mark.parametrize(
    ("entry", "props", "rule", "what"),
    [
        ("timeout: 400", "", "fc-timeout", "400 seconds are never reached"),
        ("", "instanceConcurrency: 33", "fc-concurrency", "FC sends 33 calls at once"),
        ("", "handler: b", "fc-handler", "'a' answers, and not 'b'"),
        (
            "",
            "customRuntimeConfig: {healthCheckConfig: {httpGetUrl: /up}}",
            *("fc-health-path", "FC asks /up, and runtime.health_path is /health"),
        ),
    ],
)
def test_s_yaml_that_disagrees_is_a_warning(
    tmp_path: Path, entry: str, props: str, rule: str, what: str
) -> None:
    other = "  b: {handler: greeter.handle}\n"
    text = functions(f"  a: {{handler: greeter.handle, {entry}}}\n{other}")
    folder = deploy(tmp_path, text, {**GOOD, "s.yaml": f"{DEPLOYED}      {props}\n"})
    found = the_only(findings(folder))
    assert (found["severity"], found["rule"]) == ("warning", rule)
    assert found["file"] == ("s.yaml" if rule in ("fc-handler", "fc-health-path") else CONFIG)
    assert what in found["what"]
    assert all((found["line"], found["fix"]))


@pytest.mark.parametrize(("name", "answers"), [("A", False), ("a", True)])
def test_a_function_that_nothing_answers_is_a_warning(
    tmp_path: Path, name: str, answers: bool
) -> None:
    deployed = DEPLOYED.replace("functionName: a", f"functionName: {name}")
    deployed += "      customRuntimeConfig: {healthCheckConfig: {httpGetUrl: /health}}\n"
    if not answers:  # and nothing is said about a function that is not there
        deployed = deployed.replace("/health", "/up")
    text = functions("  a: {handler: greeter.handle}\n  b: {handler: greeter.handle}\n")
    found = findings(deploy(tmp_path, text, {**GOOD, "s.yaml": deployed}))
    assert [each["rule"] for each in found] == ([] if answers else ["fc-function"])


def test_another_runtime_of_s_yaml_is_a_warning(tmp_path: Path) -> None:
    deployed = DEPLOYED.replace("custom.debian12", "python3.10")
    text = functions("  a: {handler: greeter.handle}\n")
    found = the_only(findings(deploy(tmp_path, text, {**GOOD, "s.yaml": deployed})))
    assert (found["rule"], found["line"], found["at"]) == ("fc-runtime", 8, "a.runtime")


def test_hooks_that_fc_is_not_asked_to_call_are_warnings(tmp_path: Path) -> None:
    text = functions("  a: {handler: typed:Typed}\n")
    folder = deploy(tmp_path, text, {"typed.py": TYPED, "s.yaml": DEPLOYED})
    assert [each["rule"] for each in findings(folder)] == ["fc-initialize", "fc-pre-stop"]
    switches = "{initializer: {handler: i, timeout: 3}, preStop: {handler: p}}"
    (folder / "s.yaml").write_text(f"{DEPLOYED}      instanceLifecycleConfig: {switches}\n")
    assert findings(folder) == []


@pytest.mark.parametrize(
    ("match", "to"),
    [
        ("function: a, qualifier: prod", "b"),
        ("qualifier: 'rel-*'", "{a: 9, b: 1}"),
        ("function: a, event: {kind: order}", "b"),
    ],
)
def test_a_function_is_compared_that_only_some_calls_of_another_reach(
    tmp_path: Path, match: str, to: str
) -> None:
    text = functions(
        "  a: {handler: greeter.handle}\n  b: {handler: typed:Typed, timeout: 400}\n"
        f"routes:\n  - {{match: {{{match}}}, to: {to}}}\n"
    )
    folder = deploy(tmp_path, text, {**GOOD, "typed.py": TYPED, "s.yaml": DEPLOYED})
    found = findings(folder)
    assert [(each["rule"], each["at"]) for each in found] == [
        ("fc-initialize", "functions.b"),
        ("fc-pre-stop", "functions.b"),
        ("fc-timeout", "functions.b.timeout"),
    ]


def test_a_function_that_routes_answer_for_some_versions_only_is_a_warning(tmp_path: Path) -> None:
    text = functions("  b: {handler: greeter.handle}\n  c: {handler: greeter.handle}\n") + (
        "routes:\n  - {match: {function: a, qualifier: prod}, to: b}\n"
    )
    folder = deploy(tmp_path, text, {**GOOD, "s.yaml": DEPLOYED})
    found = the_only(findings(folder))
    assert found["rule"] == "fc-function"
    assert "answers only some calls of 'a'" in found["what"]


def test_a_variable_that_s_yaml_does_not_set_is_a_warning_without_its_value(tmp_path: Path) -> None:
    text = functions(
        "  # ${SECRET} in a comment\n"
        "  a: {handler: greeter.handle, settings: {k: '${SECRET}', d: '${OTHER:-x}'}}\n"
    )
    folder = deploy(tmp_path, text, {**GOOD, "s.yaml": DEPLOYED})
    done = check("--format", "json", cwd=folder, SECRET="hunter2-and-more", OTHER="set")
    assert "hunter2" not in done.stdout + done.stderr
    found = the_only(json.loads(done.stdout)["findings"])
    assert (found["rule"], found["severity"], found["line"]) == ("variable", "warning", 4)
    (folder / "s.yaml").write_text(f"{DEPLOYED}      environmentVariables: {{SECRET: x}}\n")
    assert findings(folder, SECRET="x") == []
    (folder / "s.yaml").unlink()
    assert the_only(findings(folder, SECRET="x"))["severity"] == "note"


@pytest.mark.parametrize(
    "text",
    [
        *("resources: [", "resources: 3\n", "[" * 5000, "a: &a [*a]\nresources: *a\n", "\0", ""),
        "resources:\n  a:\n    component: fc3\n    props:\n",
        "resources: {a: {component: fc3, props: [1]}}\n",
        "resources: {a: {component: {}, props: {timeout: 3}}}\n",
    ],
)
def test_s_yaml_that_cannot_be_read_never_ends_the_check(tmp_path: Path, text: str) -> None:
    config = functions("  a: {handler: greeter.handle}\n")
    found = findings(deploy(tmp_path, config, {**GOOD, "s.yaml": text}))
    assert {each["rule"] for each in found} <= {"fc-deployment"}


def test_what_serverless_devs_fills_in_is_not_compared(tmp_path: Path) -> None:
    deployed = DEPLOYED.replace("timeout: 300", "timeout: ${vars.timeout}")
    text = functions("  a: {handler: greeter.handle, timeout: 400}\n")
    assert findings(deploy(tmp_path, text, {**GOOD, "s.yaml": deployed})) == []


def test_a_health_path_of_fc_is_a_warning(tmp_path: Path) -> None:
    text = functions("  a: {handler: greeter.handle}\n") + "runtime: {health_path: /pre-stop}\n"
    assert the_only(findings(deploy(tmp_path, text, GOOD)))["rule"] == "fc-health-path"


def test_annotations_of_github_are_escaped(tmp_path: Path) -> None:
    text = functions("  a: {handler: nowhere.handle, timeuot: '100%'}\n")
    done = check("--format", "github", cwd=deploy(tmp_path, text))
    rows = done.stdout.splitlines()
    assert len(rows) == 2
    assert rows[0].startswith(
        "::error file=config/functions.yaml,line=3,col=7,title=fcplug%3A ImportModuleError::"
    )
    assert "%0Afix: put nowhere.py" in rows[0]


@pytest.mark.parametrize(("arguments", "file"), [((), CONFIG), (("x.yaml",), "x.yaml")])
def test_no_configuration_is_one_error_with_the_way_on(
    tmp_path: Path, arguments: tuple[str, ...], file: str
) -> None:
    done = check(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"error: {file}: there is no ")
    assert "fix: fcplug new project NAME makes one" in done.stdout


def test_a_pipe_in_place_of_the_configuration_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "functions.yaml")  # to open it waits for a writer
    done = check("functions.yaml", cwd=tmp_path)
    assert done.stdout == "error: functions.yaml: cannot be read: not a regular file\n\n"


def test_a_configuration_of_another_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "functions.yml").write_text(functions("  a: {handler: greeter.handle}\n"))
    assert "fix: fcplug check functions.yml" in check(cwd=tmp_path).stdout


def test_text_that_is_not_yaml_is_one_error_with_its_location(tmp_path: Path) -> None:
    found = the_only(findings(deploy(tmp_path, "version: 1\nfunctions: [\n")))
    assert (found["severity"], found["file"]) == ("error", "config/functions.yaml")
    assert found["line"]


def test_a_reader_that_ends_early_changes_nothing(tmp_path: Path) -> None:
    rows = "".join(f"  f{i}: {{handler: greeter.handle, timeuot: 3}}\n" for i in range(2000))
    folder = deploy(tmp_path, functions(rows), GOOD)
    command = f"'{sys.executable}' -m fcplug check"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["1"]


def test_ctrl_c_ends_with_130_and_leaves_no_process(tmp_path: Path) -> None:
    code = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    folder = deploy(tmp_path, functions("  a: {handler: bad.f}\n"), {"bad.py": code})
    process = subprocess.Popen(
        [sys.executable, "-m", "fcplug", "check"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pid = folder / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_nothing_of_the_plugins_is_left_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import logging, os\nos.environ['LEFT'] = 'x'\nlogging.root.setLevel(1)\ndef f(e): ...\n"
    text = functions("  a: {handler: leaves_traces.f}\n")
    folder = deploy(tmp_path, text, {"leaves_traces.py": code})
    monkeypatch.chdir(folder)
    path = list(sys.path)
    assert run(["check"]) == 0
    assert capsys.readouterr().out.endswith("no problems\n")
    assert "leaves_traces" not in sys.modules
    assert ("LEFT" not in os.environ, sys.path) == (True, path)


def test_a_python_of_its_own_is_asked_for_its_plugins(tmp_path: Path) -> None:
    text = functions(
        "  a: {handler: nowhere.f, isolation: process, python: own}\n"
        "  b: {handler: greeter.handle, isolation: process, python: own}\n"
    )
    folder = deploy(tmp_path, text, GOOD)
    (folder / "own").symlink_to(sys.prefix)
    found = the_only(findings(folder))
    assert (found["rule"], found["line"]) == ("ImportModuleError", 3)


def test_a_python_that_is_not_there_is_an_error_with_its_fix_below_the_line(tmp_path: Path) -> None:
    text = functions("  a: {handler: greeter.handle, isolation: process, python: /nowhere}\n")
    found = the_only(findings(deploy(tmp_path, text, GOOD)))
    assert found["what"].endswith(
        "has no worker: /nowhere cannot be run: No such file or directory"
    )
    assert found["fix"] == "correct its 'python' in functions.yaml"


def test_the_report_does_not_wait_for_what_a_plugin_leaves_running(tmp_path: Path) -> None:
    code = "import subprocess\nsubprocess.Popen(['sleep', '600'])\ndef f(event): ...\n"
    folder = deploy(tmp_path, functions("  a: {handler: bad.f}\n"), {"bad.py": code})
    began = time.monotonic()
    assert findings(folder) == []
    assert time.monotonic() - began < 300  # and not the ten minutes that it sleeps


def test_triggers_that_only_a_calendar_and_time_zones_can_refuse_are_found(tmp_path: Path) -> None:
    text = functions(
        "  a:\n    handler: greeter.handle\n    triggers:\n"
        "      zone: {timer: {cron_expression: 'CRON_TZ=Asia/Shanghay 0 0 4 * * *'}}\n"
        "      never: {timer: {cron_expression: '0 0 4 31 2 ?'}}\n"
        "      fine: {timer: {cron_expression: 'CRON_TZ=Asia/Shanghai 0 0 4 29 2 ?'}}\n"
    )
    found = findings(deploy(tmp_path, text, GOOD))
    assert [(each["line"], each["severity"], each["what"], each["fix"]) for each in found] == [
        (
            6,
            "error",
            "this machine knows no time zone 'Asia/Shanghay'",
            "did you mean 'Asia/Shanghai'?",
        ),
        (7, "warning", "it never fires: no month has that day", "correct the day or the month"),
    ]


def test_a_mistake_of_a_trigger_is_reported_once_with_its_place(tmp_path: Path) -> None:
    text = functions(
        "  a: {handler: greeter.handle, triggers: {t: {timer: {cron_expression: 4 * * *}}}}\n"
    )
    found = the_only(findings(deploy(tmp_path, text, GOOD)))
    assert (found["line"], found["column"], found["rule"]) == (3, 55, "configuration")
    assert found["at"] == "functions.a.triggers.t.timer.cron_expression"
