"""Which contestants take part in which measure: the peers, and fcplug in several deployments."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codefolder import FCPLUG, CodeFolder, config
from contestants import BASE, Contestant, peers
from plan import Plan
from progress import log
from request import EVENT, Request

TWO = f"{FCPLUG}-2"
THOUSAND = f"{FCPLUG}-1000"
BUILT = f"{FCPLUG}-built"
THOUSAND_BUILT = f"{FCPLUG}-built-1000"
_STARTED = {THOUSAND, BUILT, THOUSAND_BUILT}  # nothing but their start is measured


class LineupError(Exception):
    """A contestant, a function or a file does not exist."""


@dataclass(frozen=True)
class Lineup:
    """The contestants, the request for them, and the code folders that fcplug is deployed in."""

    everyone: Sequence[Contestant]
    request: Request
    folders: Sequence[CodeFolder]

    @property
    def names(self) -> set[str]:
        """Return the names of all contestants."""
        return {one.name for one in self.everyone}

    @property
    def throughput(self) -> list[Contestant]:
        """Return those whose throughput is measured."""
        return [one for one in self.everyone if one.name not in _STARTED]

    @property
    def cold(self) -> list[Contestant]:
        """Return those whose start is timed."""
        return [one for one in self.everyone if one.name != TWO]

    def echo(self, names: Sequence[str]) -> list[Contestant]:
        """Return those that echo, all or only the given names."""
        once = [one for one in self.everyone if one.name not in {TWO, *_STARTED}]
        return [one for one in once if not names or one.name in names]


def lineup(names: Sequence[str], plan: Plan) -> Lineup:
    """Return the named contestants and the base; without names, those of the plan.

    Raises:
        LineupError: no contestant has this name.
    """
    wanted = {BASE, *(names or plan.names)}
    everybody = not (names or plan.names)
    others = peers()
    known = {*(peer.name for peer in others), FCPLUG, TWO, *_STARTED, "node"}
    if unknown := wanted - known:
        raise LineupError(
            f"no contestant {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    ours, folders = _ours()
    chosen = [one for one in (*ours, *others) if everybody or one.name in wanted]
    base_first = sorted(chosen, key=lambda one: one.name != BASE)
    return Lineup(base_first, Request(), folders)


def own(file: str, function: str, event: Path | None, names: Sequence[str]) -> Lineup:
    """Return your own function, with the base and other peers to compare it with.

    The Python that runs the bench serves it, with the packages that are installed there.

    Raises:
        LineupError: the configuration, the event or a peer does not exist.
    """
    config_file = Path(file).resolve()
    if not config_file.is_file():
        raise LineupError(f"no configuration {config_file}; give --function FILE:NAME")
    if event and not event.is_file():
        raise LineupError(f"no event {event}")
    parent = config_file.parent
    folder = parent.parent if parent.name == "config" else parent
    bootstrap = folder / "bootstrap"
    start = [str(bootstrap)] if bootstrap.is_file() else [sys.executable, "-m", "fcplug", "serve"]
    mine = Contestant(
        FCPLUG,
        f"fcplug: {function}",
        (*start, "--host", "127.0.0.1", "--port", "{port}"),
        environ={
            "FCPLUG_PYTHON": os.environ.get("FCPLUG_PYTHON", sys.executable),
            "FCPLUG_CONFIG": str(config_file),
        },
        folder=folder,
        function=function,
    )
    body = event.read_bytes() if event else EVENT
    beside = {BASE, *names}
    others = [peer for peer in peers() if peer.name in beside]
    return Lineup([*others, mine], Request(function, body, answer=None), [])


def _ours() -> tuple[list[Contestant], list[CodeFolder]]:
    log("deploying fcplug into a code folder")
    code, package = CodeFolder(FCPLUG), CodeFolder(BUILT)
    package.pack()
    two = code.contestant(TWO, "fcplug, 2 processes", config("processes: 2"))
    found = [
        code.contestant(FCPLUG, "fcplug", config()),
        replace(two, unpinned_only=True),
        code.contestant(THOUSAND, "fcplug, 1,000 functions", config(functions=1000)),
        package.built(BUILT, "fcplug, built", config()),
        package.built(THOUSAND_BUILT, "fcplug, built, 1,000 functions", config(functions=1000)),
    ]
    return found, [code, package]
