"""Charts of confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.charts.style import blank_figure, fitting, width_ems

Matrix = Int[np.ndarray, "classes classes"]
# Longer names of classes are cut in the middle; in font sizes.
LABEL_EMS = 18.0
# The least side of a small matrix, and the side of its cells, in inches.
SIDE, CELL = 2.8, 0.17
TITLE_POINTS, SMALL_POINTS = 9, 7
# On cells darker than this many percent, text is white.
DARK_PERCENT = 55


def confusion(matrix: Matrix, classes: Sequence[str], title: str) -> Figure:
    """The counts `matrix` [true class, predicted class].

    Each row is shown in percent of its utterances, whose number stands beside the class's name; a class that
    does not occur has an empty row. The colour runs from 0 to 100 %, so pictures compare.
    """
    size, classes = len(classes), [fitting(name, LABEL_EMS) for name in classes]
    figure = blank_figure(1.9 + 0.62 * size, width_inches=2.6 + 0.72 * size)
    axes = figure.add_subplot()
    _draw(axes, matrix, font_size=11)
    rows = [f"{name} ({count})" for name, count in zip(classes, matrix.sum(1), strict=True)]
    axes.set_xticks(range(size), classes, rotation=35, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(size), rows, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (utterances)")
    axes.set_title(f"{title}\npercent of each true class", fontsize=11, parse_math=False)
    return figure


def fold_confusions(matrices: Mapping[str, Matrix], classes: Sequence[str], title: str) -> Figure:
    """The confusion matrix of every fold, small and side by side, named by the keys."""
    classes = [fitting(name, LABEL_EMS) for name in classes]
    columns = min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    side = max(SIDE, CELL * len(classes))
    # The names of classes stand below each matrix, and once in each row at its side.
    names = max(map(width_ems, classes)) * SMALL_POINTS / 72
    height, width = 0.9 + (side + names - 0.3) * rows, 0.6 + names + side * columns
    figure = blank_figure(height, f"{title}, percent of each true class", width)
    for place, (name, matrix) in enumerate(matrices.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw(axes, matrix, font_size=SMALL_POINTS)
        axes.set_title(fitting(name, 0.9 * 72 * side / TITLE_POINTS), fontsize=TITLE_POINTS, parse_math=False)
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=SMALL_POINTS, parse_math=False)
        labels = classes if place % columns == 0 else [""] * len(classes)
        axes.set_yticks(range(len(classes)), labels, fontsize=SMALL_POINTS, parse_math=False)
    return figure


def _draw(axes: Axes, matrix: Matrix, font_size: float) -> None:
    """Draw the cells, and the percentage of each that is not 0."""
    percent = 100 * matrix / np.maximum(matrix.sum(1), 1)[:, None]
    # Not interpolated, so that an SVG holds one pixel for each cell.
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto", interpolation="none")
    for row, column in np.argwhere(percent.round() > 0).tolist():
        axes.text(
            column,
            row,
            f"{percent[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=font_size,
            fontweight="bold" if row == column else "normal",
            color="white" if percent[row, column] > DARK_PERCENT else "black",
        )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
