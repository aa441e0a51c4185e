"""The samples of a run as tables of text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import coldstart
import echo
import layer
import throughput
import variants
import web_calls
from contestants import BASE
from reach import BARS
from samples import Record, Spread

_MIB = 2**20
_NOTHING = "-"
REACH = "Reach"
_FIXED = {throughput.AFTER_LOAD, coldstart.CASE, echo.CASE, layer.CASE}
_VARIED = (variants.FUNCTIONS, variants.MIDDLEWARE)
_Show = Callable[[float], str]


@dataclass(frozen=True)
class Table:
    """A heading, a line that explains how to read the table, and cells."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(record: Record, titles: Mapping[str, str], *, bars: bool = True) -> list[Table]:
    """Return all tables that a run has samples for; the first shows which bars it met."""
    cases = [case for case in record.cases() if case not in {*_FIXED, *_VARIED}]
    ways = [[case for case in cases if case.startswith(way)] for way in ("pinned", "unpinned")]
    found = [_reach(record)] if bars else []
    for figure in ("rate", "p99"):
        found += [_ratios(record, titles, way, figure) for way in ways]
    for figure in _FIGURES:
        found += [_medians(record, titles, way, figure) for way in ways]
    found += [_start(record, titles), _memory(record, titles), _echo(record, titles)]
    found += [_varied(record, name) for name in _VARIED]
    found += [_web(record), _isolation(record)]
    found.append(_in_process(record))
    return [table for table in found if table.rows]


def _spread(value: Spread | None, show: _Show) -> str:
    if value is None:
        return _NOTHING
    return f"{show(value.median)} ({show(value.low)}-{show(value.high)})"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _milliseconds(value: float) -> str:
    return f"{value * 1e3:.1f}" if value >= 0.01 else f"{value * 1e3:.2f}"


def _microseconds(value: float) -> str:
    return f"{value * 1e6:.0f}"


def _mebibytes(value: float) -> str:
    return f"{value / _MIB:.1f}"


_FIGURES: dict[str, tuple[str, str, _Show]] = {
    "rate": ("Requests a second", "", _count),
    "p50": ("p50 latency", ", ms", _milliseconds),
    "p99": ("p99 latency", ", ms", _milliseconds),
    "cpu": ("Processor time a request", ", us", _microseconds),
}


def _reach(record: Record) -> Table:
    rows = []
    for bar in BARS:
        reached = bar.value(record)
        verdict = _NOTHING if reached is None else "met" if bar.met(reached) else "MISSED"
        rows.append((bar.claim, bar.wanted, _spread(reached, _ratio), verdict))
    note = f"Ratios to {BASE} in the same round: median (quartiles). '-': not measured."
    return Table(REACH, note, ("bar", "wanted", "reached", "verdict"), rows)


def _ratios(record: Record, titles: Mapping[str, str], cases: Sequence[str], figure: str) -> Table:
    rows = [
        [
            titles.get(name, name),
            *(_spread(record.ratio(case, figure, name, BASE), _ratio) for case in cases),
        ]
        for name in _ranked(record, cases)
    ]
    note = f"Ratios to {BASE} in the same round: median (quartiles)."
    return Table(f"{_FIGURES[figure][0]}{_way(cases)}: ratios", note, _head(cases), rows)


def _medians(record: Record, titles: Mapping[str, str], cases: Sequence[str], figure: str) -> Table:
    title, unit, show = _FIGURES[figure]

    def cell(case: str, name: str) -> str:
        value = record.spread(case, name, figure)
        return show(value.median) if value else _NOTHING

    rows = [
        [titles.get(name, name), *(cell(case, name) for case in cases)]
        for name in _ranked(record, cases)
    ]
    return Table(f"{title}{_way(cases)}", f"Medians{unit}.", _head(cases), rows)


def _way(cases: Sequence[str]) -> str:
    return f", {cases[0].split()[0]}" if cases else ""


def _head(cases: Sequence[str]) -> list[str]:
    return ["server", *(case.partition(" ")[2] for case in cases)]


def _ranked(record: Record, cases: Sequence[str]) -> list[str]:
    """Return contestants, the fastest first, by the first case that each has figures of."""

    def ratio(name: str) -> float:
        found = (record.ratio(case, "rate", name, BASE) for case in cases)
        return next((each.median for each in found if each), 0.0)

    return sorted(record.contestants(*cases), key=ratio, reverse=True)


def _start(record: Record, titles: Mapping[str, str]) -> Table:
    case = coldstart.CASE
    rows = [
        [
            titles.get(name, name),
            _spread(record.ratio(case, "answered", name, BASE), _ratio),
            _spread(record.spread(case, name, "answered"), _milliseconds),
            _spread(record.spread(case, name, "accepted"), _milliseconds),
            _spread(record.spread(case, name, "cpu"), _milliseconds),
        ]
        for name in _by(record, case, "answered")
    ]
    note = "From exec to the first 200 on /invoke; how much of it until the port accepts. ms."
    head = ("server", "ratio", "answered", "port accepts", "processor time")
    return Table("Cold start", note, head, rows)


def _memory(record: Record, titles: Mapping[str, str]) -> Table:
    case, after = coldstart.CASE, throughput.AFTER_LOAD
    rows = [
        [
            titles.get(name, name),
            _spread(record.ratio(case, "rss", name, BASE), _ratio),
            _spread(record.spread(case, name, "rss"), _mebibytes),
            _spread(record.spread(case, name, "pss"), _mebibytes),
            _spread(record.spread(after, name, "rss"), _mebibytes),
        ]
        for name in _by(record, case, "rss")
    ]
    note = "MiB, of all processes: resident after the start, its share (PSS), resident after load."
    return Table("Memory", note, ("server", "ratio", "RSS", "PSS", "RSS after load"), rows)


def _echo(record: Record, titles: Mapping[str, str]) -> Table:
    rows = [
        [
            titles.get(name, name),
            _spread(record.ratio(echo.CASE, "seconds", name, BASE), _ratio),
            _spread(record.spread(echo.CASE, name, "seconds"), _milliseconds),
            _spread(record.spread(echo.CASE, name, "peak"), _ratio),
        ]
        for name in _by(record, echo.CASE, "seconds")
    ]
    note = "Time in ms; the peak of memory above that before, as a multiple of the body."
    return Table(echo.CASE, note, ("server", "ratio", "time", "peak memory"), rows)


def _varied(record: Record, case: str) -> Table:
    names = record.contestants(case)
    least = min(names, key=int, default="")
    rows = [
        [
            f"{int(name):,}",
            _spread(record.ratio(case, "cpu", name, least), "{:.3f}".format),
            _spread(record.spread(case, name, "cpu"), _microseconds),
            _spread(record.ratio(case, "rate", name, least), _ratio),
        ]
        for name in sorted(names, key=int)
    ]
    note = "Processor time a request (16 connections, pinned) as ratio and in us; requests/s."
    head = (case, "processor time", "us", "requests/s")
    return Table(f"fcplug: {case}", note, head, rows)


def _web(record: Record) -> Table:
    rows = []
    for title, (ours, theirs) in web_calls.PAIRS.items():
        for case in web_calls.CASES:
            name = web_calls.case_name(case)
            rate = record.ratio(name, "rate", ours, theirs)
            if rate:
                times = [record.spread(name, each, "cpu") for each in (ours, theirs)]
                shown = [_spread(each, _microseconds) for each in times]
                rows.append((title, case.name, _spread(rate, _ratio), *shown))
    note = "Requests/s to the same application on waitress; processor time a request, us."
    head = ("called", "load", "ratio", "fcplug, us", "waitress, us")
    return Table("Web calls", note, head, rows)


def _isolation(record: Record) -> Table:
    rows = [
        [name, _spread(record.spread(web_calls.ISOLATION, name, "cpu"), _microseconds)]
        for name in record.contestants(web_calls.ISOLATION)
    ]
    note = "Processor time a call at 1 connection, of all processes, us."
    return Table("fcplug: isolation", note, ("isolation", "us"), rows)


def _in_process(record: Record) -> Table:
    rows = [
        [name, _spread(record.spread(layer.CASE, name, "seconds"), lambda s: f"{s * 1e6:.2f}")]
        for name in record.contestants(layer.CASE)
    ]
    note = "The WSGI app called without a socket; us of processor time a call."
    return Table("fcplug's own layer", note, ("app", "us"), rows)


def _by(record: Record, case: str, figure: str) -> list[str]:
    """Return contestants, the smallest median first."""
    medians = {
        name: value.median
        for name in record.contestants(case)
        if (value := record.spread(case, name, figure))
    }
    return sorted(medians, key=lambda name: medians[name])
