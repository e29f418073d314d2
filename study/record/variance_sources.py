"""How much of the differences between test scores is due to what: configuration, fold, both together, seed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

import numpy as np

from study.record.events import Phase
from study.record.results import ConfigResult


@dataclass(frozen=True)
class Source:
    """One source of variance: the standard deviation that it alone gives a test score, and how many of it were seen."""

    name: str
    deviation: float
    levels: int


def variance_sources(configs: Sequence[ConfigResult], metric: str) -> list[Source]:
    """The sources that the runs of one search can tell apart, in the study's metric on test.

    From the complete configurations' runs of the search, a two-way analysis of variance without repeats: configuration
    and fold; what is left over is configuration x fold, seeds included. Seeds apart, from confirmation runs, where
    there are two or more new seeds; then they are taken out of the rest. An estimate below 0 counts as 0.

    Source: Searle, Casella and McCulloch, Variance Components, Wiley 1992, section 4.4 (analysis of variance, random
        effects). Departure: configurations that reached full length were picked, so their variance is a lower bound.
    """
    complete = [config for config in configs if config.outcome is Phase.COMPLETE]
    by_seed = [
        variance([run.test[metric] for run in runs])
        for config in complete
        if config.confirmed
        for runs in config.reported_epochs(metric).values()
        if len(runs) > 1
    ]
    seed = fmean(by_seed) if by_seed else None
    found = _of_search(np.array([[e.test[metric] for e in each.counted(metric).values()] for each in complete]), seed)
    if seed is not None:
        found.append(Source("seed", math.sqrt(seed), max(config.n_seeds for config in complete)))
    return found


def _of_search(scores: np.ndarray, seed: float | None) -> list[Source]:
    """The sources in scores [configurations, folds]."""
    if scores.ndim < 2 or min(scores.shape) < 2:
        return []
    n_configs, n_folds = scores.shape
    rows, columns, mean = scores.mean(1, keepdims=True), scores.mean(0, keepdims=True), scores.mean()
    rest = float(((scores - rows - columns + mean) ** 2).sum() / ((n_configs - 1) * (n_folds - 1)))
    config = float(n_folds * ((rows - mean) ** 2).sum() / (n_configs - 1) - rest) / n_folds
    fold = float(n_configs * ((columns - mean) ** 2).sum() / (n_folds - 1) - rest) / n_configs
    name = "configuration x fold" + (" and seed" if seed is None else "")
    return [
        Source("configuration", math.sqrt(max(0.0, config)), n_configs),
        Source("fold", math.sqrt(max(0.0, fold)), n_folds),
        Source(name, math.sqrt(max(0.0, rest - (seed or 0.0))), n_configs * n_folds),
    ]
