"""Clients that ask for much and read nothing."""

import contextlib

from resilience.attackers import Attack, attackers
from resilience.bar import Bar, Report, percentile
from resilience.deployment import running
from resilience.probes import probe

THREADS, STREAMS, WEDGES = 8, 12, 8
CONFIG = f"""\
version: 1
runtime: {{threads: {THREADS}}}
functions:
  flood: {{wsgi: chaos.flood}}
  large: {{handler: chaos.large}}
  healthy: {{handler: chaos.echo}}
"""
TIMEOUT = 10  # seconds after which a client that reads nothing is cut off
FLOOD = "GET / HTTP/1.1\r\nHost: x\r\nx-fc-function-name: flood\r\n\r\n"
LARGE = "POST /invoke HTTP/1.1\r\nHost: x\r\nx-fc-function-name: large\r\nContent-Length: 8\r\n\r\n"
HEALTH = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
HIGH_WATER = 16 * 1024 * 1024


def run(size: int, report: Report) -> None:
    """Attack for so many seconds: threads by streams, health checks by what is pipelined."""
    with running(CONFIG) as (instance, _), contextlib.ExitStack() as stack:
        port = instance.port
        stack.enter_context(attackers(Attack(port, STREAMS, FLOOD)))
        for number in range(WEDGES):
            length = HIGH_WATER + 2_400_000 + 400_000 * number  # less what the kernel takes
            opening = LARGE + f"{length:8}" + HEALTH * 1000
            stack.enter_context(attackers(Attack(port, 1, opening)))
        seen = probe(port, "healthy", size, report)
        cut = instance.log.count("cut off")
    waves = -(-STREAMS // THREADS) + 1
    report.figure(f"{STREAMS} streams on {THREADS} threads, {WEDGES} pipelines, {size} s")
    report.expect(not seen.wrong, f"{len(seen.wrong)} answers not 200")
    report.expect(len(seen.health) > size, f"{len(seen.health)} health checks")
    report.expect(bool(seen.calls), f"{len(seen.calls)} calls of another function")
    report.expect(cut > 0, f"cut off {cut} times")
    report.expect_within(percentile(seen.health, 99), 0.05, "health p99")
    report.expect_within(max(seen.health), 0.5, "health at most")
    report.expect_within(max(seen.calls), waves * (TIMEOUT + 1), "a call at most")


BAR = Bar(16, "unread", "clients that do not read block no other client", 60, 14, run)
