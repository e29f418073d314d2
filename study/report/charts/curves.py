"""Charts of the search of one variant: its learning curves, and its scores in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.record.events import Phase
from study.record.results import ConfigResult
from study.report.charts.style import BLACK, BLUE, GREY, VERMILLION, blank_axes, legend


def learning_curves(configs: Sequence[ConfigResult], selected: int | None, metric: str, title: str) -> Figure:
    """Validation score by epoch, mean over folds where there are several, one line per configuration.

    Complete configurations are blue, the selected one thick, the untuned one (number 0) dashed black; those that
    were stopped or lost are grey and end in a cross.
    """
    figure, axes = blank_axes(4.5, title)
    for config in configs:
        curve = mean_curve(config, metric)
        if curve:
            style, layer = _curve_style(config, selected)
            axes.plot(range(1, len(curve) + 1), curve, zorder=layer, **style)
    axes.set_xlabel("epoch")
    axes.set_ylabel(_score_label(configs, metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, axes)
    return figure


def mean_curve(config: ConfigResult, metric: str) -> list[float]:
    """The mean validation score after each epoch of the search that every fold has reached.

    A fold that ended before the others, by its own early stop, stays at its last score.
    """
    curve: list[float] = []
    folds = config.folds.values()
    for epoch in count():
        reached = [epoch < len(fold.epochs) for fold in folds]
        if not any(reached) or not all(here or fold.ended for here, fold in zip(reached, folds, strict=True)):
            return curve
        curve.append(fmean(fold.epochs[min(epoch, len(fold.epochs) - 1)].validation[metric] for fold in folds))
    return curve


def optimisation_history(configs: Sequence[ConfigResult], metric: str, selected: int | None) -> Figure:
    """Validation score by configuration number, each at the epochs that count, and the best complete one so far.

    Only complete configurations are comparable; the others stand in grey at the score that they had reached.
    """
    figure, axes = blank_axes(4.0, f"Validation {metric} in the order of the search")
    for config in scored(configs):
        style = _point_style(config, selected)
        axes.plot(config.number, config.validation_score(metric), linestyle="", **style)
    best = list(_best_so_far(configs, metric))
    if best:
        numbers, scores = zip(*best, strict=True)
        axes.step(numbers, scores, where="post", color=BLUE, linewidth=1.2, alpha=0.7, zorder=1, label="best so far")
    axes.set_xlabel("configuration")
    axes.set_ylabel(_score_label(configs, metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, axes)
    return figure


def scored(configs: Sequence[ConfigResult]) -> list[ConfigResult]:
    """The configurations with a score on every fold that any of them was trained on."""
    n_folds = max((len(config.folds) for config in configs), default=0)
    return [config for config in configs if config.folds and len(config.folds) == n_folds]


def _score_label(configs: Sequence[ConfigResult], metric: str) -> str:
    return f"validation {metric}{', mean over folds' if any(len(config.folds) > 1 for config in configs) else ''}"


def _curve_style(config: ConfigResult, selected: int | None) -> tuple[dict[str, Any], int]:
    """How its line looks, and how far in front it lies: colour marks the selected, dashes the untuned one."""
    if config.outcome is not Phase.COMPLETE:
        end = {"marker": "x", "markersize": 5, "markevery": [-1]}
        return {"color": GREY, "linewidth": 1.0, "label": "stopped or lost", **end}, 1
    style, layer = {"color": BLUE, "linewidth": 1.2, "alpha": 0.7, "label": "complete"}, 2
    if config.number == 0:
        style, layer = {"color": BLACK, "linewidth": 1.6, "label": "configuration 0"}, 4
    if config.number == selected:
        style, layer = {"color": VERMILLION, "linewidth": 3.0, "label": _selected_label(config)}, 3
    return style | {"linestyle": "--" if config.number == 0 else "-"}, layer


def _point_style(config: ConfigResult, selected: int | None) -> dict[str, Any]:
    if config.outcome is not Phase.COMPLETE:
        return {"marker": "x", "color": GREY, "label": "stopped or lost, at its last score", "zorder": 2}
    style = {"marker": "o", "markersize": 7, "color": BLUE, "label": "complete", "zorder": 3}
    if config.number == 0:
        style |= {"marker": "s", "color": BLACK, "label": "configuration 0"}
    if config.number == selected:
        style |= {"color": VERMILLION, "markersize": 11, "label": _selected_label(config)}
    return style


def _selected_label(config: ConfigResult) -> str:
    return f"selected: {config.number}"


def _best_so_far(configs: Sequence[ConfigResult], metric: str) -> Iterator[tuple[int, float]]:
    best = 0.0
    complete = [config for config in configs if config.outcome is Phase.COMPLETE]
    for config in complete:
        best = max(best, config.validation_score(metric))
        yield config.number, best
    if complete and configs[-1].number > complete[-1].number:
        yield configs[-1].number, best
