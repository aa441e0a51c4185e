"""The measured figures, and their medians, quartiles and ratios, round by round.

This module is pure: it runs nothing, waits for nothing and reads no clock.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """The figures of one contestant in one round of one case."""

    case: str
    contestant: str
    round: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """The median of some values and the quartiles around it."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Iterable[float]) -> Spread | None:
    """Return median and quartiles; None if there are no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    if len(ordered) == 1:
        return Spread(ordered[0], ordered[0], ordered[0], 1)
    low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(median, low, high, len(ordered))


def rotated(contestants: Sequence[Any], turn: int) -> list[Any]:
    """Return all contestants, beginning with a different one at each turn."""
    start = turn % len(contestants) if contestants else 0
    return [*contestants[start:], *contestants[:start]]


@dataclass
class Record:
    """All samples of a run, and remarks on what went wrong."""

    samples: list[Sample] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, case: str, contestant: str, turn: int, **figures: float) -> None:
        """Keep the figures of one contestant in one round."""
        self.samples.append(Sample(case, contestant, turn, figures))

    def remark(self, text: str) -> None:
        """Keep a fact that a reader of the figures needs, once and on one line."""
        line = " ".join(text.split())
        if line not in self.remarks:
            self.remarks.append(line)

    def cases(self) -> list[str]:
        """Return the cases in the order they were measured."""
        return list(dict.fromkeys(sample.case for sample in self.samples))

    def contestants(self, *cases: str) -> list[str]:
        """Return the contestants that have samples in any of the cases."""
        return list(dict.fromkeys(s.contestant for s in self.samples if s.case in cases))

    def values(self, case: str, contestant: str, figure: str) -> dict[int, float]:
        """Return a figure by round."""
        return {
            sample.round: sample.figures[figure]
            for sample in self.samples
            if (sample.case, sample.contestant) == (case, contestant) and figure in sample.figures
        }

    def spread(self, case: str, contestant: str, figure: str) -> Spread | None:
        """Return the spread of a figure over the rounds."""
        return spread(self.values(case, contestant, figure).values())

    def ratio(self, case: str, figure: str, contestant: str, base: str) -> Spread | None:
        """Return the spread of the ratios to the base in the same round."""
        return self.ratio_across((case, contestant), (case, base), figure)

    def ratio_across(
        self, one: tuple[str, str], other: tuple[str, str], figure: str
    ) -> Spread | None:
        """Return the spread of ratios between two pairs of a case and a contestant."""
        upper, lower = self.values(*one, figure), self.values(*other, figure)
        return spread(
            value / lower[turn] for turn, value in upper.items() if lower.get(turn, 0) > 0
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"samples": [asdict(sample) for sample in self.samples], "remarks": self.remarks}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Record":
        """Return a record from the values of ``to_json``."""
        return cls([Sample(**sample) for sample in values["samples"]], list(values["remarks"]))
