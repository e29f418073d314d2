"""The chart of all systems at a glance: scores in their order, groups that are not told apart, and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.charts.style import BLACK, BLUE, GREY, LIGHT_GREY, blank_figure, fitting
from study.report.formats import format_score
from study.report.glance_table import costs
from study.report.glance_view import GlanceRow, GlanceView

COSTS = ("parameters", "an epoch", "epochs")
LONGEST_NAME_EMS = 14
ROW_INCHES = 0.3
# Width of a group's bar and of the three costs, where the scores are 1 wide.
BAR, COST = 0.045, 0.62


def glance_chart(glance: GlanceView, metric: str) -> Figure:
    """Every system's test score with its interval, the highest first; a bar for each group; and costs as numbers.

    A guess is a number below the axis: far from all others, a row would leave them little room.
    """
    rows = [row for row in glance.rows if row.role != "guess"]
    guesses = [row.test.mean for row in glance.rows if row.role == "guess"]
    figure = blank_figure(1.3 + ROW_INCHES * len(rows))
    widths = [1.0, *([BAR * (len(glance.groups) + 1)] if glance.groups else []), COST]
    axes = figure.subplots(1, len(widths), width_ratios=widths, sharey=True)
    _scores(axes[0], rows)
    guess = "".join(f"; a guess: {format_score(mean)}" for mean in guesses)
    axes[0].set_xlabel(f"test {metric}, mean and 95 % interval{guess}", parse_math=False)
    if glance.groups:
        _groups(axes[1], [row.name for row in rows], glance.groups)
    _costs(axes[-1], rows)
    axes[0].set_ylim(len(rows) - 0.4, -1.1)
    return figure


def _scores(axes: Axes, rows: Sequence[GlanceRow]) -> None:
    for place, row in enumerate(rows):
        color = BLUE if row.is_trained else GREY
        if math.isfinite(row.test.low):
            axes.plot([max(0.0, row.test.low), min(1.0, row.test.high)], [place, place], color=color, linewidth=1.8)
        axes.plot(row.test.mean, place, "o", color=color, markersize=7)
    names = [fitting(row.name, LONGEST_NAME_EMS) for row in rows]
    axes.set_yticks(range(len(rows)), names, parse_math=False)
    axes.grid(axis="x", color=LIGHT_GREY)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _groups(axes: Axes, names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
    """A bar from the first to the last member of each group, with a dot at every member."""
    for place, (letter, members) in enumerate(groups.items()):
        rows = [names.index(name) for name in members]
        axes.plot([place, place], [rows[0], rows[-1]], color=GREY, linewidth=1.8)
        axes.plot([place] * len(rows), rows, "o", color=BLACK, markersize=4)
        axes.text(place, -0.75, letter, ha="center", va="center", fontsize=9)
    axes.set_xlim(-1, len(groups))
    axes.axis("off")


def _costs(axes: Axes, rows: Sequence[GlanceRow]) -> None:
    for column, heading in enumerate(COSTS, start=1):
        axes.text(column, -0.75, heading, ha="right", va="center", fontsize=9, color=GREY)
        for place, row in enumerate(rows):
            if row.is_trained:
                axes.text(column, place, costs(row)[column - 1], ha="right", va="center", fontsize=9)
    axes.set_xlim(0.2, len(COSTS))
    axes.axis("off")
