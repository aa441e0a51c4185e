"""Bodies in tiny chunks, and requests pipelined by the thousand."""

import contextlib

from resilience.attackers import Attack, attackers
from resilience.bar import Bar, Report, percentile
from resilience.deployment import running
from resilience.probes import probe

TOKEN = "a-token-of-the-resilience-bars"
CONFIG = f"""\
version: 1
runtime: {{auth: {{tokens: [{TOKEN}]}}}}
functions: {{echo: {{handler: chaos.echo}}}}
"""
HEAD = "POST /invoke HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ATTACKS = {  # so many clients each
    "chunks of 5 bytes": (25, HEAD, "5\r\nhello\r\n" * 6000),
    "chunks of 12 bytes": (20, HEAD, "c\r\n0123456789ab\r\n" * 4000),
    "pipelined requests": (5, "", "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 2000),
}


def run(size: int, report: Report) -> None:
    """Attack for so many seconds, without a token where one is asked for."""
    with running(CONFIG) as (instance, _), contextlib.ExitStack() as stack:
        for count, opening, repeated in ATTACKS.values():
            attack = Attack(instance.port, count, opening or repeated, repeated)
            stack.enter_context(attackers(attack))
        seen = probe(instance.port, "echo", size, report, TOKEN)
    attacks = ", ".join(f"{count} x {name}" for name, (count, _, _) in ATTACKS.items())
    report.figure(f"{attacks}, {size} s")
    report.expect(not seen.wrong, f"{len(seen.wrong)} answers not 200")
    report.expect(len(seen.health) > size, f"{len(seen.health)} health checks")
    report.expect(len(seen.calls) > size, f"{len(seen.calls)} calls")
    report.expect_within(percentile(seen.health, 99), 0.05, "health p99")
    report.expect_within(percentile(seen.calls, 99), 0.05, "calls p99")


BAR = Bar(17, "chunks", "tiny chunks and pipelines leave the loop to others", 60, 3, run)
