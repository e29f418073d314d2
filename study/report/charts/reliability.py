"""The reliability diagram: how often a prediction of a certain confidence is right."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.charts.style import BLUE, GREY, LIGHT_GREY, VERMILLION, blank_axes, legend
from study.report.variant_view import CalibrationView, ConfidenceBin

# Of the largest bin, in points.
LARGEST_DOT = 11.0


def reliability(view: CalibrationView | None, title: str) -> Figure | None:
    """Accuracy by confidence, as trained and scaled; a dot's area is in proportion to its bin's utterances."""
    if view is None:
        return None
    figure, axes = blank_axes(4.2, title)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="calibrated")
    _curve(axes, view.bins, VERMILLION, "as trained")
    _curve(axes, view.bins_scaled, BLUE, "scaled by temperature")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("probability of the predicted class, mean of a bin")
    axes.set_ylabel("share that is right")
    axes.grid(color=LIGHT_GREY)
    legend(figure, axes)
    return figure


def _curve(axes: Axes, bins: Sequence[ConfidenceBin], color: str, label: str) -> None:
    largest = max(each.n for each in bins)
    confidence, accuracy = [each.confidence for each in bins], [each.accuracy for each in bins]
    axes.plot(confidence, accuracy, color=color, linewidth=1.6, label=label)
    areas = [LARGEST_DOT**2 * each.n / largest for each in bins]
    axes.scatter(confidence, accuracy, areas, color=color, alpha=0.8, zorder=3)
