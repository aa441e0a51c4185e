"""A configuration on a Ray cluster of three nodes: the one file that starts one."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import pytest

from support.conformance import CONFIG, ENVIRONMENT, KEYS, ROWS, Row
from support.deployed import CODE, Answer, deploy
from support.proving import FILES, prove
from support.ray_served import Later, OnRay, nodes, on_ray
from support.waiting import wait_until

pytestmark = pytest.mark.slow

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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    try:
        metadata.version("ray")
    except metadata.PackageNotFoundError:
        assert not os.environ.get("CI"), "CI installs the dependency group ray"
        pytest.skip("Ray is not installed: pip install --group ray")
    # the functions of the table share a replica; some have one of their own
    config = CONFIG.replace("functions:", "defaults: {scale: {pool: small}}\nfunctions:", 1)
    config = config.replace("conformance_functions.echo}", "conformance_functions.echo, scale: {}}")
    module = (CODE / "ray_functions.py").read_text()
    folder = tmp_path_factory.mktemp("code")
    code = deploy(folder, config + OWN, {**FILES, "ray_functions.py": module})
    with nodes(ENVIRONMENT) as cluster, on_ray(code, cluster, {"SECRET": SECRET}) as running:
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
    wait_until(lambda: len({served.ask("steady", "after")["pid"] for _ in range(8)}) == 2)


def test_it_scales_from_one_replica_to_several_and_back(served: OnRay) -> None:
    before = len(served.said)
    calls = [Later(served, "bursty", "burst") for _ in range(6)]
    served.wait_to_say(r"bursty: .*replicas: 3 running", before)
    more = [Later(served, "bursty", "burst") for _ in range(6)]
    wait_until(lambda: len(list(served.code.glob("burst.*.begun"))) > 1)
    after = len(served.said)
    (served.code / "burst").touch()
    for call in calls + more:
        answer = call.result()
        assert isinstance(answer, Answer)
        assert answer.status == 200
    served.wait_to_say(r"bursty: .*replicas: 1 running", after)


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
    assert served.ask("greeter")["pid"] != pids["greeter"]
    wait_until((served.code / f"stopped.{pids['greeter']}").exists)
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
