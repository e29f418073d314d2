"""Pictures for the report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


def confusion_picture(path: Path, matrix: NDArray[np.int64], classes: Sequence[str], title: str) -> None:
    """Write a PNG of the counts `matrix` [true class, predicted class] to `path`.

    Each row is shown in percent of its utterances, whose number stands beside the class's name; a class that
    does not occur has an empty row. The colour runs from 0 to 100 %, so pictures compare.
    """
    counts = matrix.sum(1)
    percent = 100 * matrix / np.maximum(counts, 1)[:, None]
    size = len(classes)
    figure = Figure(figsize=(2.6 + 0.72 * size, 1.9 + 0.62 * size), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row in range(size):
        for column in range(size):
            if counts[row]:
                axes.text(
                    column,
                    row,
                    f"{percent[row, column]:.0f}",
                    ha="center",
                    va="center",
                    fontsize=11,
                    fontweight="bold" if row == column else "normal",
                    color="white" if percent[row, column] > 55 else "black",
                )
    axes.set_xticks(range(size), classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), [f"{name} ({count})" for name, count in zip(classes, counts, strict=True)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (utterances)")
    axes.set_title(f"{title}\npercent of each true class", fontsize=11)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.savefig(path, format="png")
