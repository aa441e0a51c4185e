"""A configuration on a Ray cluster of three nodes: the one file that starts one."""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from fcplug.web.auth import Message, sign
from support.conformance import CONFIG, ENVIRONMENT, KEYS, ROWS, Call, Row
from support.deployed import CODE, Answer, deploy, free_port
from support.proving import FILES, prove
from support.ray_served import PATIENCE, Later, Nodes, OnRay, by_serve_run, entries, nodes, on_ray
from support.waiting import wait_until

# alone: a node of Ray ends itself if its agent, a Python process, takes 15 seconds to start
pytestmark = [pytest.mark.slow, pytest.mark.alone]

SECRET = "secret-of-the-settings"
OWN = """\
  east: {handler: ray_functions.where, scale: {resources: {east: 1}}}
  west: {handler: ray_functions.where, scale: {resources: {west: 1}}}
  steady: {handler: ray_functions.noted, scale: {replicas: 2}}
  held-west: {handler: ray_functions.held, scale: {resources: {west: 1}}}
  bursty: {handler: ray_functions.held,
           scale: {min: 1, max: 3, target: 1, up_after: 0.5, down_after: 1}}
  greeter: {handler: "ray_functions:Greeter", settings: {secret: "${SECRET}"}, timeout: 50,
            scale: {}}
routes:
  - match: {function: either}
    to: {east: 1, greeter: 0}
"""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "ray.md"
RAY_FUNCTIONS = (CODE / "ray_functions.py").read_text()
KEY = "a-key-of-sixteen-characters-or-more"
SIGNED = f"""\
version: 1
runtime: {{auth: {{keys: [{KEY}]}}}}
functions:
  here: {{handler: ray_functions.where}}
"""
GREETER = """\
version: 1
functions:
  greeter: {handler: "ray_functions:Greeter", settings: {greeting: "${GREETING}"}}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    try:
        metadata.version("ray")
    except metadata.PackageNotFoundError:
        assert not os.environ.get("CI"), "CI installs the dependency group ray"
        pytest.skip("Ray is not installed: pip install --group ray")
    with nodes(ENVIRONMENT) as started:
        yield started


@pytest.fixture(scope="module")
def served(cluster: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    # the functions of the table share a replica; some have one of their own
    config = CONFIG.replace("functions:", "defaults: {scale: {pool: small}}\nfunctions:", 1)
    config = config.replace("conformance_functions.echo}", "conformance_functions.echo, scale: {}}")
    folder = tmp_path_factory.mktemp("code")
    code = deploy(folder, config + OWN, {**FILES, "ray_functions.py": RAY_FUNCTIONS})
    with on_ray(code, cluster, {"SECRET": SECRET}) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.items}: {row.claim}")
def test_the_conformance_table(row: Row, served: OnRay) -> None:
    prove(row, served)


def test_functions_run_on_the_nodes_that_they_ask_for(served: OnRay) -> None:
    east, west = served.ask("east"), served.ask("west")
    assert east["node"] != west["node"]
    assert served.ask("either")["pid"] == east["pid"]


def test_each_of_200_overlapping_calls_gets_its_own_answer(served: OnRay) -> None:
    names = ("east", "west", "steady", "greeter")

    def call(number: int) -> tuple[object, object]:
        name, asked = names[number % 3], f"1-67a59f35-150c1267-{number:012d}"
        answer = served.ask(name, f"event-{number}", x_fc_request_id=asked)
        return (answer["event"], answer["id"]), (f"event-{number}", asked)

    with ThreadPoolExecutor(200) as pool:
        pairs = list(pool.map(call, range(200)))
    assert [got for got, _ in pairs] == [asked for _, asked in pairs]


def test_a_killed_replica_fails_its_own_calls_and_no_event_runs_twice(served: OnRay) -> None:
    lost = Later(served, "steady", "hold-1")
    wait_until(lambda: list(served.code.glob("hold-1.*.begun")))
    (begun,) = served.code.glob("hold-1.*.begun")
    with ThreadPoolExecutor(8) as pool:
        load = [pool.submit(served.invoke, "steady", f"load-{number}") for number in range(150)]
        wait_until(lambda: (served.code / "runs").read_text().count("load") > 20)
        os.kill(int(begun.name.split(".")[1]), signal.SIGKILL)
        answers = [each.result() for each in load]
    outcomes = Counter(_outcome(answer) for answer in answers)
    print(f"150 calls while one of two replicas was killed: {dict(outcomes)}")
    assert set(outcomes) <= {"answered", "ReplicaLost"}, outcomes
    assert outcomes["answered"] > 100
    _assert_lost(lost)
    runs = Counter((served.code / "runs").read_text().split())
    assert [event for event, count in runs.items() if count > 1] == []
    for number, answer in enumerate(answers):
        if answer.status == 200:
            assert json.loads(answer.body)["event"] == f"load-{number}"
    wait_until(lambda: len({served.ask("steady", "after")["pid"] for _ in range(8)}) == 2, PATIENCE)


def test_a_killed_entry_is_replaced_and_the_other_one_takes_calls(served: OnRay) -> None:
    wait_until(lambda: len(entries("fcplug")) == 2)
    first, second = entries("fcplug")
    printed = len(served.said)
    with ThreadPoolExecutor(8) as pool:
        load = [pool.submit(served.invoke, "steady", f"entry-{number}") for number in range(150)]
        wait_until(lambda: (served.code / "runs").read_text().count("entry") > 20)
        os.kill(first, signal.SIGKILL)
        outcomes = Counter(_outcome(each.result()) for each in load)
    print(f"150 calls while one of two entries was killed: {dict(outcomes)}")
    assert set(outcomes) <= {"answered", "500 of Ray", "503 of Ray"}, outcomes
    assert outcomes["answered"] > 100
    served.wait_to_say(r"@entry: .*replicas: 2 running", printed)
    assert second in entries("fcplug")
    assert first not in entries("fcplug")


def test_it_scales_from_one_replica_to_several_and_back(served: OnRay) -> None:
    before, began = len(served.said), time.monotonic()
    calls = [Later(served, "bursty", "burst") for _ in range(6)]
    served.wait_to_say(r"bursty: .*replicas: 3 running", before)
    up = time.monotonic() - began
    more = [Later(served, "bursty", "burst") for _ in range(6)]
    wait_until(lambda: len(list(served.code.glob("burst.*.begun"))) > 1)
    after, ended = len(served.said), time.monotonic()
    (served.code / "burst").touch()
    for call in calls + more:
        answer = call.result()
        assert isinstance(answer, Answer)
        assert answer.status == 200
    served.wait_to_say(r"bursty: .*replicas: 1 running", after)
    down = time.monotonic() - ended
    print(f"from 1 replica to 3 in {up:.1f} s under 6 calls, back to 1 in {down:.1f} s without")


def test_an_edit_replaces_what_it_changes_and_nothing_else(served: OnRay) -> None:
    pids = {name: served.ask(name)["pid"] for name in ("east", "west", "greeter")}
    printed = served.edit("timeout: 50", "timeout: 40")
    served.wait_to_say(r"taken over \(changed in place: greeter\)", printed)
    printed = served.edit("{east: 1, greeter: 0}", "{east: 0, greeter: 1}")
    served.wait_to_say(r"taken over \(routes\)", printed)
    wait_until(lambda: served.ask("either").get("greeting") == "Hello")
    assert {name: served.ask(name)["pid"] for name in pids} == pids
    printed = served.edit('secret: "${SECRET}"', 'greeting: Hi, secret: "${SECRET}"')
    served.wait_to_say(r"taken over \(new replicas: greeter\)", printed)
    wait_until(lambda: served.ask("greeter")["greeting"] == "Hi")
    wait_until((served.code / f"stopped.{pids['greeter']}").exists)
    assert served.ask("greeter")["pid"] != pids["greeter"]  # of either entry
    assert {name: served.ask(name)["pid"] for name in ("east", "west")} == {
        name: pids[name] for name in ("east", "west")
    }


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("greeting: Hi", "greting: Hi", r"unknown key 'greting' \(did you mean 'greeting'\?\)"),
        ("to: {east: 0", "to: {eest: 0", "no function 'eest'"),
        ("{replicas: 2}", "{replicas: 2, max: 3}", r"is a fixed number, and 'max' is not"),
    ],
)
def test_a_wrong_edit_is_refused_and_reported(served: OnRay, old: str, new: str, why: str) -> None:
    pid = served.ask("greeter")["pid"]
    printed = served.edit(old, new)
    served.wait_to_say(r"the edit is refused, the functions from before serve on:", printed)
    served.wait_to_say(why, printed)
    assert served.ask("greeter") == {"greeting": "Hi", "pid": pid, "secret": len(SECRET)}
    printed = served.edit(new, old)
    served.wait_to_say(r"taken over \(functions unchanged\)", printed)


def test_a_lost_node_fails_the_calls_that_run_there_and_others_go_on(served: OnRay) -> None:
    lost = Later(served, "held-west", "never")
    wait_until(lambda: list(served.code.glob("never.*.begun")))
    with ThreadPoolExecutor(8) as pool:
        load = [pool.submit(served.invoke, "steady", f"node-{number}") for number in range(150)]
        served.nodes.remove("west")
        answers = [each.result() for each in load]
    outcomes = Counter(_outcome(answer) for answer in answers)
    print(f"150 calls while one of three nodes was lost: {dict(outcomes)}")
    assert set(outcomes) <= {"answered", "ReplicaLost"}, outcomes
    runs = Counter((served.code / "runs").read_text().split())
    assert [event for event, count in runs.items() if count > 1 and event != "after"] == []
    _assert_lost(lost)
    assert served.ask("east")["event"] == ""


def test_no_credential_is_in_a_log_of_ray(served: OnRay) -> None:
    secrets = [
        SECRET,
        *KEYS.values(),
        *(ENVIRONMENT[name] for name in ENVIRONMENT if name.startswith("ALIBABA")),
    ]
    for file in served.nodes.logs.rglob("*"):
        if file.is_file():
            text = file.read_bytes()
            assert [each for each in secrets if each.encode() in text] == [], file


def test_the_end_of_the_command_takes_its_functions_off_the_cluster(served: OnRay) -> None:
    pid = served.ask("greeter")["pid"]
    assert served.end() == 0
    assert "\nending: the functions finish their calls\n" in served.said
    assert served.said.endswith("\nended\n")
    assert (served.code / f"stopped.{pid}").exists()
    wait_until(lambda: not entries("fcplug"))


def test_serve_run_takes_the_application_and_signed_calls_only(
    cluster: Nodes, served: OnRay, tmp_path: Path
) -> None:
    served.end()  # of all calls: both would take those of every path
    code = deploy(tmp_path, SIGNED, {"ray_functions.py": RAY_FUNCTIONS})
    asked = ["fcplug.ray:app", "entries=2", "config=config/functions.yaml"]
    with by_serve_run(code, cluster, served.port, *asked) as running:
        fields = {"x-fc-function-name": "here"}
        message = Message("POST", "/invoke", fields, b"Ada")
        signature = {"x-fcplug-signature": sign(KEY, int(time.time()), message)}
        forged = {"x-fcplug-signature": sign(KEY[::-1], int(time.time()), message)}

        def status(body: bytes, headers: dict[str, str]) -> int:
            return running.send(Call("here", body, headers={**fields, **headers})).status

        wait_until(lambda: len(entries("default")) == 2)  # one that answers is not yet both
        assert status(b"Ada", {}) == 401
        assert status(b"Ada", forged) == 401
        assert status(b"Eve", signature) == 401
        assert status(b"Ada", signature) == 200
        assert [status(b"Ada", signature) for _ in range(4)] == [401] * 4  # of either entry
    wait_until(lambda: not entries("default"))


def test_a_configuration_of_serve_names_the_application_and_the_environment(
    cluster: Nodes, served: OnRay, tmp_path: Path
) -> None:
    served.end()
    code = deploy(tmp_path / "code", GREETER, {"ray_functions.py": RAY_FUNCTIONS})
    port = free_port()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    documented = re.findall("(?s)```yaml\n(# serve.yaml.*?)```", PAGE.read_text())
    text = documented[0].replace("9000", str(port)).replace("0.0.0.0", "127.0.0.1")
    text = text.replace("EveryNode", "HeadOnly").replace("/code", str(code))
    (folder / "serve.yaml").write_text(f"{text}        GREETING: Hi\n")
    with by_serve_run(folder, cluster, port, "serve.yaml") as running:
        assert running.ask("greeter")["greeting"] == "Hi"


def _assert_lost(call: Later) -> None:
    answer = call.result()
    assert isinstance(answer, Answer)
    assert (answer.status, _outcome(answer)) == (404, "ReplicaLost")
    assert b"may have run in part" in answer.body


def _outcome(answer: Answer) -> str:
    if answer.status == 200:
        return "answered"
    if "x-fc-status" not in answer.headers:
        return f"{answer.status} of Ray"
    assert answer.headers["x-fc-status"] == "404", answer
    kind: str = json.loads(answer.body)["errorType"]
    return kind
