"""Pictures for the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


def confusion_picture(path: Path, matrix: NDArray[np.int64], classes: Sequence[str], title: str) -> None:
    """Write a PNG of the counts `matrix` [true class, predicted class] to `path`.

    Each row is shown in percent of its utterances, whose number stands beside the class's name; a class that
    does not occur has an empty row. The colour runs from 0 to 100 %, so pictures compare.
    """
    size = len(classes)
    figure = Figure(figsize=(2.6 + 0.72 * size, 1.9 + 0.62 * size), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw(axes, matrix, font_size=11)
    counts = matrix.sum(1)
    axes.set_xticks(range(size), classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), [f"{name} ({count})" for name, count in zip(classes, counts, strict=True)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (utterances)")
    axes.set_title(f"{title}\npercent of each true class", fontsize=11)
    figure.savefig(path, format="png")


def fold_confusions_picture(
    path: Path, matrices: Mapping[str, NDArray[np.int64]], classes: Sequence[str], title: str
) -> None:
    """Write a PNG with the confusion matrix of every fold, small and side by side, named by the keys."""
    columns = min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    figure = Figure(figsize=(1.2 + 2.8 * columns, 0.9 + 2.9 * rows), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}, percent of each true class", fontsize=11)
    for place, (name, matrix) in enumerate(matrices.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw(axes, matrix, font_size=7)
        axes.set_title(name, fontsize=9)
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=7)
        axes.set_yticks(range(len(classes)), classes if place % columns == 0 else [""] * len(classes), fontsize=7)
    figure.savefig(path, format="png")


def _draw(axes: Axes, matrix: NDArray[np.int64], font_size: float) -> None:
    counts = matrix.sum(1)
    percent = 100 * matrix / np.maximum(counts, 1)[:, None]
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row in range(len(matrix)):
        for column in range(len(matrix)):
            if counts[row]:
                axes.text(
                    column,
                    row,
                    f"{percent[row, column]:.0f}",
                    ha="center",
                    va="center",
                    fontsize=font_size,
                    fontweight="bold" if row == column else "normal",
                    color="white" if percent[row, column] > 55 else "black",
                )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
