"""The bench: its arithmetic, its tables, and one small run; no times are asserted."""

import contextlib
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import client
import local_platform
from codefolder import config
from contestants import BASE, Contestant, peers
from environments import pinned
from fcplug.config.loader import parse
from plan import PLANS
from reach import BARS, Bar
from report import markdown, page, text
from request import Request, quoted
from samples import Record, Spread, rotated, spread
from tables import tables

ROOT = Path(__file__).resolve().parents[2]


def recorded() -> Record:
    """Three rounds of a server twice as fast as the base, on a machine that gets slower."""
    record = Record()
    for turn, rate in enumerate((1000.0, 800.0, 200.0)):
        for name, factor in ((BASE, 1), ("fcplug", 2)):
            figures = {"rate": rate * factor, "p50": 0.001, "p99": 0.02 / factor, "cpu": 1e-4}
            record.add("pinned c=16", name, turn, **figures)
    return record


def test_a_spread_is_the_median_and_its_quartiles() -> None:
    assert spread([5, 1, 4, 2, 3]) == Spread(3, 2, 4, 5)
    assert spread([7]) == Spread(7, 7, 7, 1)
    assert spread([]) is None


def test_a_ratio_is_taken_in_each_round_so_that_a_slow_machine_changes_nothing() -> None:
    ratio = recorded().ratio("pinned c=16", "rate", "fcplug", BASE)
    assert ratio == Spread(2, 2, 2, 3)


def test_a_round_in_which_one_of_both_failed_gives_no_ratio() -> None:
    record = Record()
    record.add("case", BASE, 0, rate=10)
    record.add("case", "fcplug", 0, rate=20)
    record.add("case", "fcplug", 1, rate=90)
    ratio = record.ratio("case", "rate", "fcplug", BASE)
    assert ratio
    assert (ratio.median, ratio.count) == (2, 1)


def test_no_contestant_is_always_the_first_of_a_round() -> None:
    assert [rotated("abc", turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
    assert rotated([], 3) == []


def test_a_record_reads_back_as_it_was_written() -> None:
    record = recorded()
    record.remark("node: ended with 1")
    record.remark("node: ended with 1")
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert record.remarks == ["node: ended with 1"]


def test_reach_reports_what_is_met_missed_and_not_measured() -> None:
    (reach, *_) = tables(recorded(), {})
    shown = {row[0]: row[3] for row in reach.rows}
    assert shown["requests/s, 16 connections, pinned"] == "MISSED"  # 2.0
    assert shown["p99 latency, 16 connections, pinned"] == "met"
    assert shown["cold start, one function"] == "-"
    assert len(shown) == len(BARS)


def test_a_bar_is_met_on_its_side_of_the_limit_and_at_it() -> None:
    at_least = Bar("", 2.0, True, lambda _: None)
    at_most = Bar("", 2.0, False, lambda _: None)
    above, at, below = (Spread(median, median, median, 1) for median in (2.1, 2.0, 1.9))
    assert (at_least.met(above), at_least.met(at), at_least.met(below)) == (True, True, False)
    assert (at_most.met(above), at_most.met(at), at_most.met(below)) == (False, True, True)


def test_tables_line_up_and_name_servers_by_their_titles() -> None:
    rates = next(table for table in tables(recorded(), {"fcplug": "us"}) if table.head[0] != "bar")
    assert [row[0] for row in rates.rows] == ["us", BASE]
    assert rates.rows[0][1] == "2.00 (2.00-2.00)"
    lines = markdown(rates).splitlines()
    assert len({len(line) for line in lines if line.startswith("|")}) == 1
    assert text(rates).splitlines()[-2].startswith("us  ")


def test_the_page_shows_machine_versions_and_remarks() -> None:
    record = recorded()
    record.remark("granian: no answer")
    about = {
        "date": "a day",
        "bars": True,
        "titles": {},
        "versions": {"falcon": {"falcon": "4.4.0"}},
    }
    shown = page(record, about)
    for part in (
        "| date | a day |",
        "| falcon | falcon 4.4.0 |",
        "- granian: no answer",
        "## Reach",
    ):
        assert part in shown


def test_the_request_has_26_headers_20_of_them_of_fc() -> None:
    request = Request()
    head, _, body = request.raw.partition(b"\r\n\r\n")
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert len(names) == 26
    assert sum(name.startswith(b"x-fc-") for name in names) == 20
    assert len(request.headers["X-Fc-Security-Token"]) == 600
    assert len(body) == 256
    assert json.loads(body)


def test_a_web_call_is_a_get_without_a_body() -> None:
    request = Request(path="/hello", body=b"")
    assert request.raw.startswith(b"GET /hello HTTP/1.1\r\n")
    assert request.raw.endswith(b"\r\n\r\n")
    assert request.headers["X-Fc-Control-Path"] == "/http-invoke"
    assert "Content-Length" not in request.headers
    assert "wrk.body" not in request.lua


def test_wrk_sends_the_same_request() -> None:
    request = Request(body=b'"\\\n\x00\xff')
    assert 'wrk.body = "\\034\\092\\010\\000\\255"' in request.lua
    for name, value in request.headers.items():
        shown = f"wrk.headers[{quoted(name.encode())}] = {quoted(value.encode())}\n"
        assert (shown in request.lua) == (name != "Content-Length")


def test_configurations_have_the_called_function_among_so_many() -> None:
    read = parse(config("processes: 2", functions=10, middleware=2), "functions.yaml", {})
    assert read.runtime.processes == 2
    assert len(read.functions) == 10
    assert [entry.name for entry in read.functions["bench"].middleware] == ["passing:Pass"] * 2
    assert len(config(functions=10_000)) < 1024 * 1024


def test_every_peer_has_pinned_packages_and_a_script_that_is_there() -> None:
    assert peers()[0].name == BASE
    for peer in peers():
        assert len(pinned(peer.packages)) == len(peer.packages)
        for part in peer.command:
            if part.endswith((".py", ".js")):
                assert (peer.folder / part).is_file()


def test_plans_name_contestants_that_there_are() -> None:
    ours = {"fcplug", "fcplug-2", "fcplug-1000", "fcplug-built", "fcplug-built-1000", "node"}
    known = {peer.name for peer in peers()} | ours
    for plan in PLANS.values():
        assert {*plan.names, *plan.echoing} <= known


def test_contestants_that_need_the_same_packages_share_an_environment() -> None:
    one, other = (Contestant(name, name, (), ("falcon", "waitress")) for name in "ab")
    assert one.environment == other.environment == "falcon-waitress"


def test_figures_stand_in_a_table_for_pinned_and_one_for_unpinned_servers() -> None:
    record = recorded()
    record.add("unpinned c=64", BASE, 0, rate=1, p50=1, p99=1, cpu=1)
    heads = {table.title: table.head for table in tables(record, {}, bars=False)}
    assert heads["Requests a second, pinned: ratios"] == ["server", "c=16"]
    assert heads["p99 latency, unpinned"] == ["server", "c=64"]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_the_benchs_own_client_asks_again_on_connections_kept_or_closed(
    protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = protocol

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if self.path == "/invoke" else 500)
            self.send_header("Content-Length", "13")
            with contextlib.suppress(ConnectionError):  # at the end the client does not wait
                self.end_headers()
                self.wfile.write(b"Hello, World!")

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        client.main(server.server_port, 2, 3, Request().raw)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    shown = json.loads(capsys.readouterr().out)
    assert shown["failed"] == 0
    assert shown["requests"] > 0
    assert shown["p50"] <= shown["p99"]


@pytest.mark.alone
@pytest.mark.slow
def test_the_smoke_run_measures_everything_and_every_answer_is_right(tmp_path: Path) -> None:
    for _ in range(3):  # a machine that stalls for seconds costs a case, and not three times
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench"), "--smoke", "--out", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads((tmp_path / "results.json").read_text())
    record = Record.from_json(run)
    assert record.remarks == []
    measured = {(s.case, s.contestant) for s in record.samples}
    plan = PLANS["smoke"]
    for name in (BASE, "fcplug"):
        for case in (*(case.name for case in plan.cases), "cold start", "32 MB echo", "after load"):
            assert (case, name) in measured
    assert ("cold start", "fcplug-1000") in measured
    assert ("unpinned c=8", "fcplug-2") in measured
    assert {("functions configured", "100"), ("middleware", "1")} <= measured
    assert ("in process", "fcplug") in measured
    assert re.search(
        r"^\| requests/s, 16 connections, pinned ", (tmp_path / "RESULTS.md").read_text(), re.M
    )
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.alone
@pytest.mark.slow
def test_the_local_platform_is_measured_both_ways() -> None:
    found = local_platform.measure(local_platform.Plan(rounds=1, calls=5, queued=20))
    assert min(found.direct, found.through, found.queue_alone, found.done) > 0
    assert found.added == pytest.approx(found.through - found.direct)
