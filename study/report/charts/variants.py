"""The chart that compares the variants of a study."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.charts.style import BLACK, BLUE, GREEN, GREY, LIGHT_GREY, blank_axes, legend
from study.report.metric_view import MetricView
from study.report.view import ReportView


def metric_per_variant(view: ReportView) -> Figure:
    """Test score of every variant: folds, or runs of one division, as dots, their mean and its 95 % interval.

    The tuned setting is filled, the untuned one hollow below it, a guess and the probe grey; a diamond is the
    reference's own mean.
    """
    metric = view.metric
    shown = {name: (variant, variant.tuned) for name, variant in view.variants.items() if variant.tuned is not None}
    figure, axes = blank_axes(1.7 + 0.62 * max(2, len(shown)), f"Test {metric} of each variant")
    for row, (variant, tuned) in enumerate(shown.values()):
        color = BLUE if variant.trained else GREY
        draw_interval(axes, tuned.figures["test"][metric], row, color, label=variant.setting, hollow=False)
        if variant.published is not None:
            published = variant.published.figures["test"][metric]
            draw_interval(axes, published, row + 0.3, BLACK, label=variant.start_word, hollow=True)
        if variant.reference is not None:
            axes.plot(
                variant.reference[metric][0],
                row - 0.28,
                "D",
                color=GREEN,
                markersize=6,
                linestyle="",
                label="reference table",
            )
    labels = [f"{name}\n{variant.reads}" if variant.modalities else name for name, (variant, _) in shown.items()]
    axes.set_yticks(range(len(shown)), labels, parse_math=False, fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    shown_as = (
        "runs, bars 95 % intervals over speakers" if view.one_division else "folds, bars 95 % intervals of their mean"
    )
    axes.set_xlabel(f"test {metric}: dots are {shown_as}")
    axes.grid(axis="x", color=LIGHT_GREY)
    legend(figure, axes)
    return figure


def draw_interval(axes: Axes, spread: MetricView, row: float, color: str, *, label: str, hollow: bool) -> None:
    """Draw the folds of a score, their mean and, where it has one, its interval at height `row`."""
    if math.isfinite(spread.low):
        axes.plot([spread.low, spread.high], [row, row], color=color, linewidth=1.6, zorder=2)
    dots: dict[str, Any] = {"markersize": 4, "alpha": 0.55, "linestyle": "", "zorder": 3}
    axes.plot(spread.folds, [row] * len(spread.folds), "o", color=color, **dots)
    mean: dict[str, Any] = {
        "markerfacecolor": "white" if hollow else color,
        "markersize": 10,
        "linestyle": "",
        "zorder": 4,
    }
    axes.plot(spread.mean, row, "o", color=color, label=label, **mean)
