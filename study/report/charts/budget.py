"""The chart of what each variant's search had found after how much training."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from study.report.charts.style import BLACK, BLUE, GREEN, GREY, LIGHT_GREY, VERMILLION, blank_axes, legend
from study.report.view import ReportView

COLOURS = (BLUE, VERMILLION, GREEN, BLACK, GREY)
DASHES = ("-", "--", ":", "-.")


def incumbent_paths(view: ReportView) -> Figure | None:
    """The best validation score so far by minutes of training, a line for each search; None before any has one."""
    shown = [variant for variant in view.variants.values() if variant.incumbents]
    if not shown:
        return None
    figure, axes = blank_axes(4.0, f"Best validation {view.metric} by training spent")
    for place, variant in enumerate(shown):
        ends = [*(each.seconds / 60 for each in variant.incumbents), variant.cost.search_seconds / 60]
        scores = [*(each.validation for each in variant.incumbents), variant.incumbents[-1].validation]
        style: dict[str, Any] = {
            "color": COLOURS[place % len(COLOURS)],
            "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
        }
        axes.step(ends, scores, where="post", linewidth=1.8, label=variant.name.lstrip("_"), **style)
        axes.plot(ends[0], scores[0], "o", markersize=5, color=style["color"])
    axes.set_xlabel("minutes of training in the search, over all workers")
    axes.set_ylabel(f"validation {view.metric} of the incumbent")
    axes.grid(axis="y", color=LIGHT_GREY)
    legend(figure, axes)
    return figure
