"""Mistakes of time triggers that only a machine with time zones and a calendar can see."""

import time
from collections.abc import Iterator

from fcplug.config.loader import Config
from fcplug.cron import Schedule, UnknownZone
from fcplug.errors import Problem
from fcplug.inspection.finding import Finding


def findings(config: Config) -> Iterator[Finding]:
    """Yield a finding for each time trigger that FC would refuse, or that never fires."""
    for problem in unknown_zones(config):
        yield Finding.of(problem, "error", "trigger")
    for problem in _never_due(config):
        yield Finding.of(problem, "warning", "trigger", "correct the day or the month")


def unknown_zones(config: Config) -> Iterator[Problem]:
    """Yield a problem for each time trigger whose time zone this machine does not know."""
    for path, expression in _expressions(config):
        try:
            Schedule(expression, 0)
        except UnknownZone as error:
            yield config.document.problem(path, str(error))


def _never_due(config: Config) -> Iterator[Problem]:
    now = time.time()
    for path, expression in _expressions(config):
        try:
            if Schedule(expression, now).next(now) is None:
                yield config.document.problem(path, "it never fires: no month has that day")
        except UnknownZone:
            continue


def _expressions(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    for function in config.functions.values():
        for name, trigger in function.triggers.items():
            if trigger.timer is not None:
                path = ("functions", function.name, "triggers", name, "timer", "cron_expression")
                yield path, trigger.timer.cron_expression
