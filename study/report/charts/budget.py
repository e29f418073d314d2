"""The chart of what each variant's search had found after how much training."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from study.report.charts.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT_GREY,
    VERMILLION,
    blank_axes,
    legend,
    legend_columns,
)
from study.report.view import ReportView

COLOURS = (BLUE, VERMILLION, GREEN, BLACK, GREY)
# Of every colour one each: 30 lines that can be told apart.
DASHES = ("-", "--", ":", "-.", (0, (4, 1, 1, 1, 1, 1)), (0, (1, 4)))
LEGEND_ROW_INCHES = 0.2


def incumbent_paths(view: ReportView) -> Figure | None:
    """The best validation score so far by minutes of training, a line for each search; None before any has one."""
    shown = [variant for variant in view.variants.values() if variant.incumbents]
    if not shown:
        return None
    names = [variant.name.lstrip("_") for variant in shown]
    below = LEGEND_ROW_INCHES * math.ceil(len(names) / legend_columns(names))
    figure, axes = blank_axes(3.8 + below, f"Best validation {view.metric} by training spent")
    for place, variant in enumerate(shown):
        ends = [*(each.seconds / 60 for each in variant.incumbents), variant.cost.search_seconds / 60]
        scores = [*(each.validation for each in variant.incumbents), variant.incumbents[-1].validation]
        style: dict[str, Any] = {
            "color": COLOURS[place % len(COLOURS)],
            "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
        }
        axes.step(ends, scores, where="post", linewidth=1.8, label=names[place], **style)
        axes.plot(ends[0], scores[0], "o", markersize=5, color=style["color"])
    axes.set_xlabel("minutes of training in the search, over all workers")
    axes.set_ylabel(f"validation {view.metric} of the incumbent")
    axes.grid(axis="y", color=LIGHT_GREY)
    legend(figure, axes)
    return figure
