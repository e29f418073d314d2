"""The chart of classes that are often confused."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.report.charts.style import BLACK, BLUE, LIGHT_GREY, blank_figure, legend
from study.report.charts.variants import draw_interval
from study.report.metric_view import MetricView
from study.report.variant_view import PairView
from study.report.view import ReportView

Row = tuple[str, MetricView, MetricView, bool]


def close_pairs(view: ReportView) -> Figure | None:
    """A row of panels for each pair: how often its classes are taken for each other, and their F1, by system.

    Below a system, hollow, is the best configuration of each of its losses. None where no system has pairs.
    """
    rows: dict[tuple[str, str], list[Row]] = {}
    for name, variant in view.variants.items():
        for pair in variant.details.pairs if variant.details else ():
            rows.setdefault((pair.first, pair.second), []).extend(_rows(name, pair))
    if not rows:
        return None
    longest = max(map(len, rows.values()))
    figure = blank_figure(1.0 + len(rows) * (1.0 + 0.34 * max(2, longest)), "Classes that are often confused")
    for place, ((first, second), own) in enumerate(rows.items()):
        left, right = (figure.add_subplot(len(rows), 2, 2 * place + side) for side in (1, 2))
        _panel(left, own, 0, f"{first} and {second} taken for each other\n(share of both; lower is better)")
        _panel(right, own, 1, f"F1 of {first} and {second}\n(mean of both; higher is better)")
        right.set_yticklabels([])
    legend(figure, figure.axes[0])
    return figure


def _rows(name: str, pair: PairView) -> Iterator[Row]:
    yield name, pair.confused, pair.f1, True
    for own in pair.by_loss:
        yield f"loss {own.loss}", own.confused, own.f1, False


def _panel(axes: Axes, rows: list[Row], measure: int, title: str) -> None:
    for place, (_, confused, f1, is_system) in enumerate(rows):
        label = "tuned system" if is_system else "best configuration with a loss"
        color = BLUE if is_system else BLACK
        draw_interval(axes, (confused, f1)[measure], place, color, label=label, hollow=not is_system)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.grid(axis="x", color=LIGHT_GREY)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
