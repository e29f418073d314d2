"""Charts of a study's search and results. Each function that ends in `_figure` draws, its namesake writes a PNG.

Every text that comes from data is drawn as it is, never read as mathematics.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.results.aggregate import ConfigResult

# Told apart with every kind of colour vision, and on a grey print. Source: Okabe and Ito, Color Universal Design.
BLUE, VERMILLION, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#9A9A9A"
WIDTH_INCHES, DPI = 8.0, 120


def learning_curves(path: Path, configs: Sequence[ConfigResult], selected: int | None, metric: str, title: str) -> None:
    """Write `learning_curves_figure` to `path`."""
    save(learning_curves_figure(configs, selected, metric, title), path)


def metric_per_variant(path: Path, data: Mapping[str, Any], metric: str) -> None:
    """Write `metric_per_variant_figure` to `path`."""
    save(metric_per_variant_figure(data, metric), path)


def optimisation_history(path: Path, configs: Sequence[ConfigResult], metric: str, selected: int | None) -> None:
    """Write `optimisation_history_figure` to `path`."""
    save(optimisation_history_figure(configs, metric, selected), path)


def learning_curves_figure(configs: Sequence[ConfigResult], selected: int | None, metric: str, title: str) -> Figure:
    """Validation score by epoch, mean over folds, one line per configuration.

    Complete configurations are blue, the selected one thick, the published one (number 0) dashed black; those that
    were stopped or lost are grey and end in a cross.
    """
    figure, axes = blank_figure(4.5, title)
    for config in configs:
        curve = mean_curve(config, metric)
        if curve:
            style, layer = _curve_style(config, selected)
            axes.plot(range(1, len(curve) + 1), curve, zorder=layer, **style)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"validation {metric}, mean over folds")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, axes)
    return figure


def mean_curve(config: ConfigResult, metric: str) -> list[float]:
    """The mean validation score after each epoch of the search that every fold has reached.

    A fold that ended before the others, by its own early stop, stays at its last score.
    """
    curve: list[float] = []
    for epoch in count():
        reached = [epoch < len(fold.epochs) for fold in config.folds.values()]
        ended = [fold.ended for fold in config.folds.values()]
        if not any(reached) or not all(r or e for r, e in zip(reached, ended, strict=True)):
            return curve
        curve.append(
            fmean(fold.epochs[min(epoch, len(fold.epochs) - 1)]["validation"][metric] for fold in config.folds.values())
        )
    return curve


def metric_per_variant_figure(data: Mapping[str, Any], metric: str) -> Figure:
    """Test score of every variant in `data` (as `report.json`): folds as dots, their mean and its 95 % interval.

    The tuned setting is filled, the published one hollow below it, a guess grey; a diamond is the reference's own mean.
    """
    shown = {name: variant for name, variant in data["variants"].items() if variant.get("test")}
    figure, axes = blank_figure(1.7 + 0.62 * max(2, len(shown)), f"Test {metric} of each variant")
    for row, variant in enumerate(shown.values()):
        color, label = (GREY, "guess") if variant["config"] is None else (BLUE, "tuned")
        _interval(axes, variant["test"][metric], row, color, label=label, hollow=False)
        if variant.get("published"):
            _interval(axes, variant["published"]["test"][metric], row + 0.3, BLACK, label="published", hollow=True)
        if variant.get("reference"):
            mean = variant["reference"][metric][0]
            axes.plot(mean, row - 0.28, "D", color=GREEN, markersize=6, linestyle="", label="reference table")
    axes.set_yticks(range(len(shown)), list(shown), parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(f"test {metric}: dots are folds, bars 95 % intervals of their mean")
    axes.grid(axis="x", color="#E4E4E4")
    _legend(figure, axes)
    return figure


def optimisation_history_figure(configs: Sequence[ConfigResult], metric: str, selected: int | None) -> Figure:
    """Validation score by configuration number, each at its folds' best epochs, and the best complete one so far.

    Only complete configurations are comparable; the others stand in grey at the score that they had reached.
    """
    figure, axes = blank_figure(4.0, f"Validation {metric} in the order of the search")
    for config in scored(configs):
        style = _point_style(config, selected)
        axes.plot(config.number, config.validation_score(metric), linestyle="", **style)
    best = list(_best_so_far(configs, metric))
    if best:
        numbers, scores = zip(*best, strict=True)
        axes.step(numbers, scores, where="post", color=BLUE, linewidth=1.2, alpha=0.7, zorder=1, label="best so far")
    axes.set_xlabel("configuration")
    axes.set_ylabel(f"validation {metric}, mean over folds")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, axes)
    return figure


def scored(configs: Sequence[ConfigResult]) -> list[ConfigResult]:
    """The configurations with a score on every fold that any of them was trained on."""
    n_folds = max((len(config.folds) for config in configs), default=0)
    return [config for config in configs if config.folds and len(config.folds) == n_folds]


def blank_figure(height_inches: float, title: str) -> tuple[Figure, Axes]:
    """A figure of the common width with one pair of axes, without pyplot's global state."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12, loc="left", parse_math=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as a PNG."""
    figure.savefig(path, format="png")


def _curve_style(config: ConfigResult, selected: int | None) -> tuple[dict[str, Any], int]:
    """How its line looks, and how far in front it lies: colour tells the selected, dashes the published one."""
    if config.outcome != "complete":
        end = {"marker": "x", "markersize": 5, "markevery": [-1]}
        return {"color": GREY, "linewidth": 1.0, "label": "stopped or lost", **end}, 1
    style, layer = {"color": BLUE, "linewidth": 1.2, "alpha": 0.7, "label": "complete"}, 2
    if config.number == 0:
        style, layer = {"color": BLACK, "linewidth": 1.6, "label": "published"}, 4
    if config.number == selected:
        style, layer = {"color": VERMILLION, "linewidth": 3.0, "label": _selected_label(config)}, 3
    return style | {"linestyle": "--" if config.number == 0 else "-"}, layer


def _point_style(config: ConfigResult, selected: int | None) -> dict[str, Any]:
    if config.outcome != "complete":
        return {"marker": "x", "color": GREY, "label": "stopped or lost, at its last score", "zorder": 2}
    style = {"marker": "o", "markersize": 7, "color": BLUE, "label": "complete", "zorder": 3}
    if config.number == 0:
        style |= {"marker": "s", "color": BLACK, "label": "published"}
    if config.number == selected:
        style |= {"color": VERMILLION, "markersize": 11, "label": _selected_label(config)}
    return style


def _selected_label(config: ConfigResult) -> str:
    return "selected, as published" if config.number == 0 else f"selected: {config.number}"


def _best_so_far(configs: Sequence[ConfigResult], metric: str) -> Iterator[tuple[int, float]]:
    best = 0.0
    complete = [config for config in configs if config.outcome == "complete"]
    for config in complete:
        best = max(best, config.validation_score(metric))
        yield config.number, best
    if complete and configs[-1].number > complete[-1].number:
        yield configs[-1].number, best


def _interval(axes: Axes, spread: Mapping[str, Any], row: float, color: str, *, label: str, hollow: bool) -> None:
    inside = "white" if hollow else color
    axes.plot([spread["low"], spread["high"]], [row, row], color=color, linewidth=1.6, zorder=2)
    axes.plot(
        spread["folds"],
        [row] * len(spread["folds"]),
        "o",
        color=color,
        markersize=4,
        alpha=0.55,
        linestyle="",
        zorder=3,
    )
    axes.plot(
        spread["mean"],
        row,
        "o",
        color=color,
        markerfacecolor=inside,
        markersize=10,
        zorder=4,
        linestyle="",
        label=label,
    )


def _legend(figure: Figure, axes: Axes) -> None:
    """One entry for each kind of artist, below the axes."""
    handles, labels = axes.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    if entries:
        figure.legend(
            entries.values(), entries.keys(), frameon=False, fontsize=9, loc="outside lower center", ncols=len(entries)
        )
