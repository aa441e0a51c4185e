"""The goals of fcplug, and whether a run met them."""

from collections.abc import Callable
from dataclasses import dataclass

import coldstart
import echo
import layer
import variants
import web_calls
from codefolder import FCPLUG
from contestants import BASE, NODE
from lineup import BUILT, THOUSAND, THOUSAND_BUILT, TWO
from samples import Record, Spread, spread
from throughput import Case

_MICROSECONDS = 1e6
_EVENT = "HTTP event of a handler, to Falcon's hello"


@dataclass(frozen=True)
class Bar:
    """One figure and its limit; a ratio is to the base in the same round, if no other is named."""

    claim: str
    limit: float
    at_least: bool
    value: Callable[[Record], Spread | None]
    unit: str = ""

    def met(self, reached: Spread) -> bool:
        """Return whether the median is on the right side of the limit."""
        return reached.median >= self.limit if self.at_least else reached.median <= self.limit

    @property
    def wanted(self) -> str:
        """Return the limit as tables show it."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{unit}"


def _ratio(case: str, figure: str, contestant: str = FCPLUG) -> Callable[[Record], Spread | None]:
    return lambda record: record.ratio(case, figure, contestant, BASE)


def _own_layer(record: Record) -> Spread | None:
    ours = record.values(layer.CASE, layer.FCPLUG, "seconds")
    bare = record.values(layer.CASE, layer.LINES, "seconds")
    return spread((ours[turn] - bare[turn]) * _MICROSECONDS for turn in ours if turn in bare)


def _two_processes_to_node(record: Record) -> Spread | None:
    return record.ratio("unpinned c=64", "rate", TWO, NODE)


def _web(pair: str, connections: int) -> Callable[[Record], Spread | None]:
    ours, theirs = web_calls.PAIRS[pair]
    case = web_calls.case_name(Case(connections))
    return lambda record: record.ratio(case, "rate", ours, theirs)


def _worker(record: Record) -> Spread | None:
    inside, outside = (
        record.values(web_calls.ISOLATION, name, "cpu")
        for name in (web_calls.THREAD, web_calls.PROCESS)
    )
    return spread(
        (outside[turn] - inside[turn]) * _MICROSECONDS for turn in outside if turn in inside
    )


def _echo_memory(record: Record) -> Spread | None:
    return record.spread(echo.CASE, FCPLUG, "peak")


def _many_functions(record: Record) -> Spread | None:
    return record.ratio(variants.FUNCTIONS, "cpu", "10000", "10")


BARS = (
    Bar("requests/s, 16 connections, pinned", 2.5, True, _ratio("pinned c=16", "rate")),
    Bar("requests/s, 16 connections, unpinned", 5.0, True, _ratio("unpinned c=16", "rate")),
    Bar("requests/s, 1 connection, pinned", 1.5, True, _ratio("pinned c=1", "rate")),
    Bar("64 conn., 2 processes, to node", 1.0, True, _two_processes_to_node),
    Bar("p99 latency, 16 connections, pinned", 1.0, False, _ratio("pinned c=16", "p99")),
    Bar("cold start, one function", 1.05, False, _ratio(coldstart.CASE, "answered")),
    Bar("cold start, built package", 0.85, False, _ratio(coldstart.CASE, "answered", BUILT)),
    Bar("cold start, 1,000, one wanted", 1.15, False, _ratio(coldstart.CASE, "answered", THOUSAND)),
    Bar("cold start, 1,000, built", 0.9, False, _ratio(coldstart.CASE, "answered", THOUSAND_BUILT)),
    Bar("memory after start (RSS)", 0.8, False, _ratio(coldstart.CASE, "rss")),
    Bar("32 MB echoed, time", 0.6, False, _ratio(echo.CASE, "seconds")),
    Bar("32 MB echoed, peak memory", 2.3, False, _echo_memory, "x body"),
    Bar("own layer, beside the log lines", 4.0, False, _own_layer, "us"),
    Bar("bare WSGI, 1 connection", 1.6, True, _web("bare WSGI", 1)),
    Bar("bare WSGI, 16 connections", 1.6, True, _web("bare WSGI", 16)),
    Bar("Flask, 1 connection", 1.5, True, _web("Flask", 1)),
    Bar("Flask, 16 connections", 1.5, True, _web("Flask", 16)),
    Bar("HTTP event, 1 connection", 1.3, True, _web(_EVENT, 1)),
    Bar("HTTP event, 16 connections", 1.6, True, _web(_EVENT, 16)),
    Bar("CPU that a worker adds to a call", 60, False, _worker, "us"),
    Bar("CPU a request, 10,000 functions to 10", 1.02, False, _many_functions),
)
