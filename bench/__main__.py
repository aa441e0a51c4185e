"""Measure fcplug beside other servers in one run: ``make bench``, ``make bench-full``.

A function of your own: ``python bench --function config/functions.yaml:NAME --event event.json``.
"""

import argparse
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import coldstart
import echo
import inprocess
import load
import machine
import throughput
import variants
import web_calls
from codefolder import FCPLUG, CodeFolder
from contestants import BASE
from environments import ENVIRONMENTS, ROOT, SetupError, environment, prepare, versions
from lineup import Lineup, LineupError, lineup, own
from plan import PLANS, Plan
from progress import log
from report import page, text
from running import ServerError, running
from samples import Record
from tables import REACH, tables
from throughput import Field


def main() -> int:
    """Measure, print the tables, and write them to ``--out``; return the exit code."""
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # runs the code that ends the servers
    plan = PLANS["own" if given.function else given.plan]
    names = [name for name in given.only.split(",") if name]
    ENVIRONMENTS.mkdir(exist_ok=True)
    try:
        who = _lineup(given, names, plan)
    except (LineupError, SetupError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    record = Record()
    fit = _checked(record, who)
    if ({BASE, FCPLUG} & who.names) - fit.names:
        print("bench:", *record.remarks, sep="\n", file=sys.stderr)
        return 1
    about = {**_about(fit), "bars": not given.function}
    _measure(record, fit, plan)
    shown = tables(record, about["titles"], bars=about["bars"])
    for table in sorted(shown, key=lambda table: table.title == REACH):  # last, where it is seen
        print(text(table))
    for remark in record.remarks:
        print(f"remark: {remark}")
    if given.out:
        _write(record, about, given.out)
    return int(given.plan == "smoke" and bool(record.remarks))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    plans = parser.add_mutually_exclusive_group()
    for name, what in {
        "quick": "a part, in five minutes (the default)",
        "full": "everything",
        "smoke": "check in a minute that everything works; the figures mean nothing",
    }.items():
        plans.add_argument(f"--{name}", dest="plan", action="store_const", const=name, help=what)
    parser.set_defaults(plan="quick")
    parser.add_argument("--only", default="", metavar="NAME,...", help="these contestants only")
    parser.add_argument("--function", metavar="FILE:NAME", help="a function of your own")
    parser.add_argument("--event", type=Path, metavar="FILE", help="the event to send to it")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="also write the results here")
    return parser


def _lineup(given: argparse.Namespace, names: list[str], plan: Plan) -> Lineup:
    if not given.function:
        return lineup(names, plan)
    file, _, function = given.function.rpartition(":")
    return own(file, function, given.event, names)


def _checked(record: Record, who: Lineup) -> Lineup:
    """Return the contestants that start and answer correctly; this also fills their caches."""
    fit = []
    for one in who.everyone:
        log(f"setting up and checking {one.name}")
        try:
            with running(one, who.request, machine.processors().server):
                fit.append(one)
        except (ServerError, SetupError) as error:
            record.remark(f"{one.name} is left out: {error}")
    return replace(who, everyone=fit)


def _measure(record: Record, who: Lineup, plan: Plan) -> None:
    places = machine.processors()
    field = Field(who.request, places, plan.seconds)
    for turn in range(plan.cold):
        with _step(record, f"cold start, round {turn + 1} of {plan.cold}"):
            coldstart.measure(record, who.cold, who.request, turn, places)
    for turn in range(plan.rounds):
        with _step(record, f"throughput, round {turn + 1} of {plan.rounds}"):
            throughput.measure(record, who.throughput, plan.cases, turn, field)
    for turn in range(plan.echo):
        with _step(record, f"32 MB echoed, round {turn + 1} of {plan.echo}"):
            echo.measure(record, who.echo(plan.echoing), turn, places)
    if who.folders and FCPLUG in who.names:
        _measure_alone(record, who.folders[0], plan, field)
    if who.folders and plan.web:
        with _step(record, "web calls, and calls of a worker"):
            web_calls.measure(record, CodeFolder("web", "Flask"), range(plan.web), field)


def _measure_alone(record: Record, code: CodeFolder, plan: Plan, field: Field) -> None:
    """Measure fcplug against itself and in process, where it has no peers."""
    several = {
        variants.FUNCTIONS: variants.functions(code, plan.functions),
        variants.MIDDLEWARE: variants.middleware(code, plan.middleware),
    }
    for sitting in range(plan.sittings):
        turns = range(sitting * plan.rounds, (sitting + 1) * plan.rounds)
        for name, contestants in several.items():
            with _step(record, f"fcplug: {name}, sitting {sitting + 1} of {plan.sittings}"):
                variants.measure(record, name, contestants, turns, field)
    with _step(record, "fcplug in process"):
        inprocess.measure(record, code, plan.in_process, field.processors)


@contextlib.contextmanager
def _step(record: Record, name: str) -> Iterator[None]:
    """Log a step; if the bench itself fails in it, remark that and continue with the next."""
    log(name)
    try:
        yield
    except Exception:
        record.remark(f"{name}: {traceback.format_exc(limit=-3)}")


def _about(who: Lineup) -> dict[str, Any]:
    """Return the facts that a reader of the figures needs."""
    found = {one.environment: versions(environment(one)) for one in who.everyone}
    for code in who.folders:
        found[code.path.name] = versions(prepare("none", ()), code.path / "python")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["python", "bench", *sys.argv[1:]]),
        "commit": machine.commit(ROOT),
        **machine.describe(),
        "load by": load.tool(),
        "node": _node(),
        "titles": {one.name: one.title for one in who.everyone},
        "versions": found,
    }


def _node() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    except OSError:
        return "not on this machine, left out"
    return done.stdout.strip()


def _write(record: Record, about: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.json"
    results.write_text(json.dumps({"about": about, **record.to_json()}, indent=1) + "\n")
    (folder / "RESULTS.md").write_text(page(record, about))
    try:
        drawing = prepare("chart", ["matplotlib>=3.8"])
    except SetupError as error:
        log(f"no chart: {error}")
        return
    python = str(drawing / "bin" / "python")
    script = str(Path(__file__).parent / "chart.py")
    environ = {"PATH": os.defpath, "MPLCONFIGDIR": str(ENVIRONMENTS)}
    command = [python, script, str(results), str(folder / "chart.png")]
    subprocess.run(command, env=environ, check=True, timeout=300)
    log(f"written: {results}, RESULTS.md, chart.png")


if __name__ == "__main__":
    sys.exit(main())
