"""Cold start: the time from exec to the first 200 on /invoke, and the memory after it."""

import time
from collections.abc import Sequence

from contestants import Contestant
from family import cpu_seconds, pss, rss
from machine import Processors
from request import Request
from running import ServerError, running
from samples import Record, rotated

CASE = "cold start"
_SETTLE = 0.3  # seconds until memory is measured, so that background loading is done


def measure(
    record: Record,
    contestants: Sequence[Contestant],
    request: Request,
    turn: int,
    processors: Processors,
) -> None:
    """Start each contestant once, alone on its processor; the client runs on another one."""
    for contestant in rotated(contestants, turn):
        try:
            with running(contestant, request, processors.server) as server:
                cpu = cpu_seconds(server.pid)
                time.sleep(_SETTLE)
                record.add(
                    CASE,
                    contestant.name,
                    turn,
                    accepted=server.accepted,
                    answered=server.answered,
                    cpu=cpu,
                    rss=rss(server.pid),
                    pss=pss(server.pid),
                )
        except ServerError as error:
            record.remark(f"{contestant.name}, {CASE}: {error}")
