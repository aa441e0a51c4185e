"""What an instance prints: at its start, in both forms of the log, and when it is stopped."""

import json
import re
import signal
from pathlib import Path

import pytest

from support.deployed import Instance, deploy, start

FILES = {
    "good.py": "def handle(event, context):\n    return event\n",
    "lacks.py": "import there_is_no_such_module\n",
}
FUNCTIONS = {"good": {"handler": "good:handle"}, "lacks": {"handler": "lacks:handle"}}


def config(**runtime: object) -> str:
    return json.dumps({"version": 1, "runtime": runtime, "functions": FUNCTIONS})


def test_the_warning_of_an_open_port_stands_before_the_list_of_functions(tmp_path: Path) -> None:
    with start(deploy(tmp_path, config(), FILES), "--host", "0.0.0.0") as instance:
        log = instance.log
    warning, heading = log.index("open to everybody"), re.search("^fcplug .* serves", log, re.M)
    assert heading
    row = log.index("\n  good   good:handle")
    assert warning < heading.start() < row


def test_under_json_all_that_is_printed_at_the_start_is_records(tmp_path: Path) -> None:
    with start(deploy(tmp_path, config(log_format="json"), FILES)) as instance:
        lines = instance.log.splitlines()
    records = [json.loads(line) for line in lines if line[:1] != "F"]  # but FC's own
    rows = {record["function"]: record for record in records if "outcome" in record}
    assert rows["good"]["plugins"] == "good:handle"
    assert rows["lacks"]["outcome"] == "NOT LOADED: ImportModuleError (see above)"
    messages = [record["message"] for record in records]
    assert any(message.startswith("fcplug ") for message in messages)
    assert any(message.startswith("try: curl -d Ada") for message in messages)


@pytest.mark.parametrize("runtime", [{}, {"supervise": True}], ids=["alone", "supervised"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_that_it_has_begun(
    tmp_path: Path, runtime: dict[str, object], number: signal.Signals
) -> None:
    with start(deploy(tmp_path, config(**runtime, drain_timeout=7), FILES)) as instance:
        assert instance.call("GET", "/health").status == 200
        assert instance.stop(number) == 0
        text = "[INFO] stopping: finishing accepted requests, for at most 7 s; a second signal"
        assert text in instance.log


def fix_of(instance: Instance) -> str:
    message: str = json.loads(instance.invoke("lacks").body)["errorMessage"]
    return message.partition("fix: ")[2]


def test_the_fix_for_a_missing_package_is_a_new_package_of_the_code_on_fc(tmp_path: Path) -> None:
    deploy(tmp_path, config(), FILES)
    with start(tmp_path) as instance:
        assert " -m pip install there_is_no_such_module (if" in fix_of(instance)
    with start(tmp_path, environ={"FC_FUNCTION_NAME": "good"}) as instance:
        assert fix_of(instance).startswith(
            "in the folder of the code: python3 -m pip install --target python "
            "there_is_no_such_module; then deploy the new package (if"
        )
