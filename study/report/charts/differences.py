"""The chart of differences between systems."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from study.report.charts.style import BLACK, BLUE, LIGHT_GREY, VERMILLION, blank_axes, legend
from study.report.view import ComparisonView


def differences(pairs: Sequence[ComparisonView], title: str) -> Figure:
    """First minus second of each comparison: folds or runs as dots, their mean, and its 95 % interval.

    The band is what counts as equal in practice. A confirmed difference is blue, every other one black.
    """
    figure, axes = blank_axes(1.9 + 0.5 * max(2, len(pairs)), title)
    axes.axvspan(-pairs[0].rope, pairs[0].rope, color=LIGHT_GREY, label="equal in practice")
    axes.axvline(0, color=VERMILLION, linewidth=1)
    for row, pair in enumerate(pairs):
        is_confirmed = pair.decision == "confirmed"
        color = BLUE if is_confirmed else BLACK
        if pair.low is not None and pair.high is not None:
            axes.plot([pair.low, pair.high], [row, row], color=color, linewidth=1.6)
        axes.plot(pair.differences, [row] * len(pair.differences), "o", color=color, markersize=4, alpha=0.55)
        label = "confirmed" if is_confirmed else "not confirmed, or no verdict"
        axes.plot(pair.mean, row, "o", color=color, markersize=9, linestyle="", label=label)
    where = (f" on {pair.on}" if pair.on else "" for pair in pairs)
    names = [f"{pair.first} −\n{pair.second}{on}, {pair.metric}" for pair, on in zip(pairs, where, strict=True)]
    axes.set_yticks(range(len(pairs)), names, parse_math=False)
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    dots = "runs" if pairs[0].over else "folds"
    axes.set_xlabel(f"difference of test scores: dots are {dots}, bars 95 % intervals of the mean")
    axes.grid(axis="x", color=LIGHT_GREY)
    legend(figure, axes)
    return figure
