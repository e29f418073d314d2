"""The chart of learned weights of encoder layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from study.report.charts.style import BLACK, BLUE, GREY, LIGHT_GREY, blank_figure
from study.report.layer_weights import shown_band
from study.report.variant_view import LayerWeightsView

# More names than this under one axis would run into each other.
UPRIGHT_NAMES = 9


def layer_weights(views: Sequence[LayerWeightsView], title: str) -> Figure | None:
    """A bar for each band of each stream: the mean of the reported runs, which are dots; None without bands."""
    if not views:
        return None
    figure = blank_figure(0.5 + 2.4 * len(views), title)
    for place, view in enumerate(views):
        axes = figure.add_subplot(len(views), 1, place + 1)
        places, equal = range(len(view.bands)), 1 / len(view.bands)
        axes.bar(places, view.means, width=0.6, color=BLUE, zorder=2)
        for run in view.runs:
            axes.plot(places, run, "o", color=BLACK, markersize=3.5, alpha=0.5, linestyle="", zorder=3)
        axes.axhline(equal, color=GREY, linestyle="--", linewidth=1.2, zorder=1)
        axes.annotate("equal", (1, equal), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points")
        rotation = 0 if len(view.bands) <= UPRIGHT_NAMES else 60
        axes.set_xticks(places, [shown_band(band) for band in view.bands], rotation=rotation, parse_math=False)
        axes.set_ylim(0, 1.08 * float(np.max([*view.runs, view.means])))
        axes.set_xlabel(f"layers of the {view.stream} encoder", parse_math=False)
        axes.set_ylabel("weight")
        axes.grid(axis="y", color=LIGHT_GREY, zorder=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure
