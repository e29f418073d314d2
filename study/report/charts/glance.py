"""The chart of all systems at a glance: scores in their order, groups that are not told apart, and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.modalities import MODALITIES
from study.report.charts.style import BLACK, BLUE, GREY, LIGHT_GREY, blank_figure, fitting
from study.report.formats import format_score
from study.report.glance_table import costs
from study.report.glance_view import GlanceRow, GlanceView

COSTS = ("parameters", "an epoch", "epochs")
LONGEST_NAME_EMS = 14
ROW_INCHES = 0.3
# Width of a modality's column, of a group's bar and of the three costs, where the scores are 1 wide.
READ, BAR, COST = 0.18, 0.045, 0.76


def glance_chart(glance: GlanceView, metric: str) -> Figure:
    """Every system's modalities, its test score with its interval, the highest first; groups as bars, costs as numbers.

    A guess is a number below the axis: far from all others, a row would leave them little room.
    """
    rows = [row for row in glance.rows if row.role != "guess"]
    guesses = [row.test.mean for row in glance.rows if row.role == "guess"]
    figure = blank_figure(1.3 + ROW_INCHES * len(rows))
    modalities = [name for name in MODALITIES if any(name in row.modalities for row in rows)]
    widths = [READ * len(modalities), 1.0, *([BAR * (len(glance.groups) + 1)] if glance.groups else []), COST]
    axes = figure.subplots(1, len(widths), width_ratios=widths, sharey=True)
    _reads(axes[0], rows, modalities)
    _scores(axes[1], rows)
    guess = "".join(f"; a guess: {format_score(mean)}" for mean in guesses)
    axes[1].set_xlabel(f"test {metric}, mean and 95 % interval{guess}", parse_math=False)
    if glance.groups:
        _groups(axes[2], [row.name for row in rows], glance.groups)
    _costs(axes[-1], rows)
    axes[0].set_ylim(len(rows) - 0.4, -1.1)
    return figure


def _reads(axes: Axes, rows: Sequence[GlanceRow], modalities: Sequence[str]) -> None:
    """The names of the systems, and a dot for each modality that one reads."""
    for column, name in enumerate(modalities):
        axes.text(column, -0.75, MODALITIES[name].noun, ha="center", va="center", fontsize=8, color=GREY)
        places = [place for place, row in enumerate(rows) if name in row.modalities]
        axes.plot([column] * len(places), places, "o", color=BLACK, markersize=4)
    names = [fitting(row.name, LONGEST_NAME_EMS) for row in rows]
    axes.set_yticks(range(len(rows)), names, parse_math=False)
    axes.set_xticks([])
    axes.set_xlim(-0.6, len(modalities) - 0.4)
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _scores(axes: Axes, rows: Sequence[GlanceRow]) -> None:
    for place, row in enumerate(rows):
        color = BLUE if row.is_trained else GREY
        if math.isfinite(row.test.low):
            axes.plot([row.test.low, row.test.high], [place, place], color=color, linewidth=1.8)
        axes.plot(row.test.mean, place, "o", color=color, markersize=7)
    axes.tick_params(labelleft=False)
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
