"""Charts of what parameters did: which of them mattered, and which values went with which score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from study.plurals import counted
from study.record.events import Phase
from study.record.results import ConfigResult
from study.report.charts.curves import scored
from study.report.charts.style import BLACK, BLUE, GREY, blank_axes
from study.report.formats import format_score

ENOUGH_CONFIGS = 6
# Importance is computed again without each of so many groups of configurations.
N_GROUPS = 8
N_TREES = 32
# A parameter with at most so many numbers on record is a choice between them, evenly spaced on its axis.
FEW_VALUES = 6
# A positive parameter whose values span more than this factor stands on a logarithmic axis.
WIDE_SPAN = 20
# From green, not yellow, which is faint on white.
SCORE_COLORS = LinearSegmentedColormap.from_list("score", colormaps["viridis_r"](np.linspace(0.2, 1, 64)))

Suggest = Callable[[Any], object]


def parameter_importance(configs: Sequence[ConfigResult], suggest: Suggest, metric: str) -> Figure | None:
    """Share of each parameter in the variance of the score, most important first.

    The thin bar runs from the least to the most that it is when an eighth of the configurations is left out: few
    configurations carry little evidence, and this shows it. Where fewer than 6 are complete, stopped ones count
    too, with the score that they had reached; the title says so. None with fewer than 6 in all, or equal scores.

    `suggest(trial)` draws all parameters of the variant's space, as `Variant.suggest` does.

    Source: fANOVA, Hutter, Hoos and Leyton-Brown, ICML 2014, as in Optuna. Not PED-ANOVA, its default: that looks
    at the best tenth, and three of thirty configurations do not show what a choice of two is worth.
    """
    used, wording = _evidence(configs)
    if len(used) < ENOUGH_CONFIGS:
        return None
    trials = [_optuna_trial(config, suggest, metric) for config in used]
    shares = _importances(trials)
    if not shares:
        return None
    rests = [[t for i, t in enumerate(trials) if i % N_GROUPS != group] for group in range(min(N_GROUPS, len(trials)))]
    left_out = [found for rest in rests if (found := _importances(rest))] or [shares]
    names = sorted(shares, key=lambda name: shares[name])
    title = f"Parameter importance for validation {metric}\nfrom {wording}"
    figure, axes = blank_axes(1.6 + 0.32 * len(names), title)
    axes.barh(range(len(names)), [shares[name] for name in names], color=BLUE, height=0.6)
    for row, name in enumerate(names):
        others = [each.get(name, 0.0) for each in left_out]
        axes.plot([min(others), max(others)], [row, row], color=BLACK, linewidth=1.4, marker="|", markersize=8)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_xlim(0, None)
    axes.set_xlabel("share of importance; black: its range when an eighth of the configurations is left out")
    return figure


def parallel_coordinates(configs: Sequence[ConfigResult], metric: str) -> Figure:
    """One line per configuration across its parameters to its validation score, which is also its colour.

    Stopped and lost configurations are grey and end before the score: theirs is of an earlier epoch.
    """
    names = list(dict.fromkeys(name for config in configs for name in config.params))
    complete = [config for config in configs if config.outcome is Phase.COMPLETE]
    scores = {config.number: config.validation_score(metric) for config in complete}
    figure, axes = blank_axes(4.6, f"Parameters and validation {metric} of every configuration")
    heights = [_axis(axes, position, [c.params.get(name) for c in configs]) for position, name in enumerate(names)]
    color = Normalize(min(scores.values(), default=0), max(scores.values(), default=1))
    if scores:
        _score_axis(axes, len(names), color)
    for index, config in enumerate(configs):
        line, look = [height[index] for height in heights], _line_look(config, scores, color)
        if config.number in scores:
            line.append(float(color(scores[config.number])) if color.vmax != color.vmin else 0.5)
        axes.plot(range(len(line)), line, **look)
    labels = [*names, metric] if scores else names
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_xlim(-0.3, len(labels) - 0.4)
    axes.set_ylim(-0.08, 1.08)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlabel(
        "dark: high score; grey: stopped or lost, without a final score; dashed: configuration 0", fontsize=9
    )
    return figure


def _line_look(config: ConfigResult, scores: Mapping[int, float], color: Normalize) -> dict[str, Any]:
    look: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "alpha": 0.6, "zorder": 1}
    if config.number in scores:
        rank = float(color(scores[config.number]))
        look = {"color": SCORE_COLORS(rank), "linewidth": 2.0, "zorder": 2 + rank}
    return look | ({"linestyle": "--", "linewidth": 2.6} if config.number == 0 else {})


def _evidence(configs: Sequence[ConfigResult]) -> tuple[list[ConfigResult], str]:
    """The configurations that importance is computed from, and what they are."""
    known = scored(configs)
    complete = [config for config in known if config.outcome is Phase.COMPLETE]
    if len(complete) >= ENOUGH_CONFIGS:
        return complete, counted(len(complete), "complete configuration")
    stopped = [config for config in known if config.outcome is Phase.STOPPED]
    return (
        complete + stopped,
        f"{counted(len(complete), 'complete configuration')} and {len(stopped)} stopped, at their last score",
    )


def _optuna_trial(config: ConfigResult, suggest: Suggest, metric: str) -> Any:
    from optuna.trial import FixedTrial, create_trial

    fixed = FixedTrial(config.params)
    suggest(fixed)
    return create_trial(params=fixed.params, distributions=fixed.distributions, value=config.validation_score(metric))


def _importances(trials: Sequence[Any]) -> dict[str, float]:
    """Shares that sum to 1; none where all scores are equal."""
    import optuna  # takes long to import, and only this chart needs it

    if len({trial.value for trial in trials}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=N_TREES, seed=0)
    return {
        name: float(share)
        for name, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()
    }


def _axis(axes: Axes, position: int, values: Sequence[Any]) -> list[float]:
    """Draw the axis of one parameter; the height of each of `values`, 0 at its foot and 1 at its top."""
    levels = sorted(set(values), key=_order)
    named = len(levels) <= FEW_VALUES or not all(isinstance(level, (int, float)) for level in levels)
    heights = _even_heights(levels) if named else _scaled_heights(levels)
    ticks = heights if named else {levels[0]: 0.0, levels[-1]: 1.0}
    axes.axvline(position, color="#C8C8C8", linewidth=1.0, zorder=0)
    for value, height in ticks.items():
        _tick(axes, position, height, f"{value:.2g}" if isinstance(value, float) else str(value))
    return [heights[value] + (_apart(index, len(values)) if named else 0.0) for index, value in enumerate(values)]


def _apart(index: int, n_lines: int) -> float:
    """A small shift of each line, so that lines through the same level do not cover each other."""
    return 0.04 * (index / max(1, n_lines - 1) - 0.5)


def _score_axis(axes: Axes, position: int, color: Normalize) -> None:
    axes.axvline(position, color=BLACK, linewidth=1.2, zorder=0)
    ends = {0.0: color.vmin, 1.0: color.vmax} if color.vmin != color.vmax else {0.5: color.vmin}
    for height, score in ends.items():
        _tick(axes, position, height, format_score(score))


def _tick(axes: Axes, position: int, height: float, label: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    axes.text(position + 0.06, height, label, fontsize=8, va="center", bbox=box, zorder=5, parse_math=False)


def _order(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before everything else by name."""
    number = isinstance(value, (int, float))
    return not number, float(value) if number else 0.0, str(value)


def _even_heights(levels: Sequence[Any]) -> dict[Any, float]:
    if len(levels) == 1:
        return {levels[0]: 0.5}
    return {level: index / (len(levels) - 1) for index, level in enumerate(levels)}


def _scaled_heights(levels: Sequence[float]) -> dict[float, float]:
    """The place of each number between the least and the greatest, on a logarithmic scale where the span is wide."""
    low, high = levels[0], levels[-1]
    if low > 0 and high / low > WIDE_SPAN:
        return {level: math.log(level / low) / math.log(high / low) for level in levels}
    return {level: (level - low) / (high - low) for level in levels}
