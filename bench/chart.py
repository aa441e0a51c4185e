"""Draw the chart of a run: ``python chart.py results.json chart.png``; needs matplotlib."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

import coldstart
from codefolder import FCPLUG
from contestants import BASE
from samples import Record, Spread

mpl.use("Agg")

from matplotlib import pyplot as plt

_OURS, _BASE, _OTHER = "#c2410c", "#334155", "#94a3b8"
_INK, _NOTE, _LINE, _GRID = "#0f172a", "#475569", "#cbd5e1", "#e2e8f0"
_CASE = "pinned c=16"


@dataclass(frozen=True)
class Panel:
    """One measure: a heading, and a bar for each contestant that has a figure."""

    title: str
    note: str
    spreads: Sequence[Spread | None]
    scale: float
    shape: str

    def draw(self, axis: Any, colours: Sequence[str]) -> None:
        """Draw bars, whiskers between the quartiles, and the medians as text."""
        medians = [each.median * self.scale if each else 0.0 for each in self.spreads]
        below = [(each.median - each.low) * self.scale if each else 0.0 for each in self.spreads]
        above = [(each.high - each.median) * self.scale if each else 0.0 for each in self.spreads]
        rows = range(len(medians))
        whiskers = {"ecolor": _INK, "elinewidth": 0.9, "capsize": 2, "alpha": 0.55}
        axis.barh(rows, medians, height=0.66, color=colours, xerr=(below, above), error_kw=whiskers)
        top = max((a + b for a, b in zip(medians, above, strict=True)), default=1.0)
        for row, median, over, colour in zip(rows, medians, above, colours, strict=True):
            weight = "bold" if colour == _OURS else "normal"
            label = self.shape.format(median) if median else ""
            axis.text(median + over + top * 0.02, row, label, va="center", fontweight=weight)
        axis.set_title(f"{self.title}\n", loc="left", fontsize=12, fontweight="bold")
        axis.text(0, 1.015, self.note, transform=axis.transAxes, fontsize=9, color=_NOTE)
        axis.set_xlim(0, top * 1.2)
        axis.xaxis.grid(visible=True, color=_GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(length=0, colors=_NOTE)
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.spines["left"].set_color(_LINE)


def panels(record: Record, names: Sequence[str]) -> list[Panel]:
    """Return the panels for requests a second, cold start and memory."""
    rates = [record.ratio(_CASE, "rate", name, BASE) for name in names]
    starts = [record.spread(coldstart.CASE, name, "answered") for name in names]
    memory = [record.spread(coldstart.CASE, name, "rss") for name in names]
    asked = "16 connections, one core; times the base"
    return [
        Panel("Requests a second", asked, rates, 1.0, "{:.2f}x"),
        Panel("Cold start", "exec to the first answer; ms", starts, 1e3, "{:.0f}"),
        Panel("Memory", "resident after the start; MiB", memory, 1 / 2**20, "{:.0f}"),
    ]


def draw(record: Record, titles: dict[str, str], file: Path) -> None:
    """Draw the chart, with the slowest contestant at the bottom."""
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "text.color": _INK})
    ratios = {n: record.ratio(_CASE, "rate", n, BASE) for n in record.contestants(_CASE)}
    medians = {name: ratio.median for name, ratio in ratios.items() if ratio}
    names = sorted(medians, key=lambda name: medians[name])
    size = (12, 1.5 + 0.42 * len(names))
    figure, axes = plt.subplots(1, 3, figsize=size, sharey=True, width_ratios=(5, 3, 3))
    colours = [_colour(name) for name in names]
    for axis, panel in zip(axes, panels(record, names), strict=True):
        panel.draw(axis, colours)
    axes[0].set_yticks(range(len(names)), [titles.get(name, name) for name in names])
    for label, colour in zip(axes[0].get_yticklabels(), colours, strict=True):
        label.set_color(_INK)
        label.set_fontweight("bold" if colour == _OURS else "normal")
    figure.tight_layout(w_pad=2.5)
    figure.savefig(file, dpi=150, facecolor="white")


def _colour(name: str) -> str:
    if name.startswith(FCPLUG):
        return _OURS
    return _BASE if name == BASE else _OTHER


if __name__ == "__main__":
    run = json.loads(Path(sys.argv[1]).read_text())
    draw(Record.from_json(run), run["about"]["titles"], Path(sys.argv[2]))
