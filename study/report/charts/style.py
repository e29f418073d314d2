"""The common look of charts: colours, sizes and legends.

Every text that comes from data is drawn as it is (`parse_math=False`), never read as mathematics.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Distinct with every kind of colour vision, and on a grey print. Source: Okabe and Ito, Color Universal Design.
BLUE, VERMILLION, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#9A9A9A"
LIGHT_GREY = "#E4E4E4"
WIDTH_INCHES = 8.0
MAX_COLUMNS = 6  # of a legend
LEGEND_POINTS = 9
# What an entry of a legend has beside its text: its line, and the room around it.
ENTRY_EMS = 5.0


def blank_figure(height_inches: float, title: str = "", width_inches: float = WIDTH_INCHES) -> Figure:
    """A figure without axes and without pyplot's global state."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False)
    return figure


def blank_axes(height_inches: float, title: str) -> tuple[Figure, Axes]:
    """A figure of the common width with one pair of axes."""
    figure = blank_figure(height_inches)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12, loc="left", parse_math=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def legend(figure: Figure, axes: Axes) -> None:
    """Add one entry for each kind of artist, below the axes."""
    handles, labels = axes.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    if entries:
        drawn = figure.legend(
            entries.values(),
            entries.keys(),
            frameon=False,
            fontsize=LEGEND_POINTS,
            loc="outside lower center",
            ncols=legend_columns(list(entries)),
        )
        for text in drawn.get_texts():
            text.set_parse_math(False)


def legend_columns(labels: Sequence[str]) -> int:
    """How many entries of a legend are beside each other: as many as are as wide as the figure, at most 6."""
    widest = max(map(width_ems, labels)) + ENTRY_EMS
    fitting = int(72 * WIDTH_INCHES / (LEGEND_POINTS * widest))
    return max(1, min(len(labels), MAX_COLUMNS, fitting))


def fitting(text: str, ems: float) -> str:
    """The text, or its beginning and end where it is wider than `ems` font sizes."""
    if width_ems(text) <= ems:
        return text
    half = len(text) // 2
    while half and width_ems(text[:half] + text[-half:]) > ems - 1:
        half -= 1
    return f"{text[:half]}…{text[-half:] if half else ''}"


def width_ems(text: str) -> float:
    """About how wide a text is, in font sizes: one for a wide character, .6 for another."""
    return sum(1.0 if unicodedata.east_asian_width(character) in "WF" else 0.6 for character in text)
