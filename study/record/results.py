"""From events to figures: what every table, report and tracker shows is computed here, from events alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from scipy import special

from study.record.events import BlockClosed, Closed, ConfigAdded, EpochDone, Event, FoldRun, Phase, RunLost
from study.record.selection import Candidate, select
from study.training.metrics import METRICS

PARTS = ("validation", "test")
# By part ("validation" or "test") and metric.
Figures = dict[str, dict[str, "Spread"]]


@dataclass
class FoldResult:
    """One fold run: its epochs in order, and whether it ended at full length or by its own early stop."""

    run: FoldRun
    epochs: list[EpochDone] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it was trained to its end."""
        return bool(self.epochs) and self.epochs[-1].ended

    @property
    def seconds(self) -> float:
        """Seconds of training and evaluation."""
        return float(sum(epoch.seconds for epoch in self.epochs))

    def swapped(self) -> FoldResult:
        """The run as it serves under protocol nested with its validation and test parts swapped."""
        return FoldResult(self.run, [replace(e, validation=e.test, test=e.validation) for e in self.epochs])

    def best(self, metric: str) -> EpochDone:
        """The epoch with the best validation score; the earliest of equals. Test scores are not read."""
        return max(self.epochs, key=lambda epoch: (epoch.validation[metric], -epoch.epoch))


@dataclass
class ConfigResult:
    """One configuration: its parameters, its fold runs, how it ended and why.

    `folds` are the runs of the search, by fold; `confirmations` those with new seeds, by fold and seed (1 and up), of
    which the study asks for `n_seeds`; `lost` has, by seed, why a run diverged or failed. Under protocol nested,
    `block_outcomes` is how it ended for each test block.
    """

    variant: str
    number: int
    params: dict[str, Any]
    n_seeds: int = 0
    folds: dict[int, FoldResult] = field(default_factory=dict)
    confirmations: dict[tuple[int, int], FoldResult] = field(default_factory=dict)
    outcome: Phase = Phase.OPEN
    reason: str = ""
    lost: dict[int, str] = field(default_factory=dict)
    block_outcomes: dict[int, Phase] = field(default_factory=dict)

    @property
    def epochs_run(self) -> int:
        """Epochs trained, over all runs."""
        return sum(len(run.epochs) for run in self.runs())

    @property
    def seconds(self) -> float:
        """Seconds of training and evaluation, over all runs."""
        return float(sum(run.seconds for run in self.runs()))

    @property
    def confirmed(self) -> bool:
        """Whether it was trained again to the end on every fold with every seed that the study asks for."""
        asked = [(fold, seed) for fold in self.folds for seed in range(1, self.n_seeds + 1)]
        return bool(asked) and all(key in self.confirmations and self.confirmations[key].ended for key in asked)

    def runs(self) -> list[FoldResult]:
        """All its fold runs, those of the search first."""
        return [*self.folds.values(), *self.confirmations.values()]

    def reported(self) -> dict[int, list[FoldResult]]:
        """Per fold, the runs that are reported: the confirmation runs where it is confirmed, else the search's."""
        if not self.confirmed:
            return {fold: [self.folds[fold]] for fold in sorted(self.folds)}
        seeds = range(1, self.n_seeds + 1)
        return {fold: [self.confirmations[fold, seed] for seed in seeds] for fold in sorted(self.folds)}

    def validation_score(self, metric: str) -> float:
        """The mean over folds of the best validation score in the search."""
        return fmean(fold.best(metric).validation[metric] for fold in self.folds.values())

    def reported_score(self, metric: str) -> float:
        """The mean over folds and seeds of the best validation score in the runs that are reported."""
        return fmean(run.best(metric).validation[metric] for runs in self.reported().values() for run in runs)


@dataclass(frozen=True)
class Spread:
    """A metric over the folds: mean, standard deviation (n - 1 in the denominator), and the folds' values."""

    mean: float
    std: float
    folds: tuple[float, ...]

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's confidence interval of the mean; the folds share training data, so it is a rough guide."""
        if len(self.folds) < 2:
            return self.mean, self.mean
        quantile = special.stdtrit(
            len(self.folds) - 1, (1 + level) / 2
        )  # of Student's t; scipy.stats is slow to import
        half = quantile * self.std / math.sqrt(len(self.folds))
        return self.mean - float(half), self.mean + float(half)


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of `values`, 0 for a single one."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else 0.0, tuple(values))


def configurations(events: Iterable[Event], n_seeds: int) -> dict[str, list[ConfigResult]]:
    """Every configuration on record, by variant and in order of number; the study asks for `n_seeds` new seeds."""
    found: dict[str, list[ConfigResult]] = defaultdict(list)
    for event in events:
        if isinstance(event, ConfigAdded):
            found[event.variant].append(ConfigResult(event.variant, event.config, dict(event.params), n_seeds))
            continue
        config = found[event.variant][event.config]
        match event:
            case EpochDone(seed=0):
                config.folds.setdefault(event.fold, FoldResult(event.run)).epochs.append(event)
            case EpochDone():
                key = event.fold, event.seed
                config.confirmations.setdefault(key, FoldResult(event.run)).epochs.append(event)
            case RunLost():
                config.lost[event.seed] = f"{event.outcome}: {event.reason}"
            case BlockClosed():
                config.block_outcomes[event.test_block] = event.outcome
            case Closed():
                config.outcome, config.reason = event.outcome, event.reason
    return dict(found)


def selected(configs: Sequence[ConfigResult], metric: str, n_finalists: int) -> ConfigResult | None:
    """The configuration to report, by the rule of `record.selection`."""
    number = select(candidates(configs, metric), n_finalists)
    return next((config for config in configs if config.number == number), None)


def candidates(configs: Sequence[ConfigResult], metric: str) -> list[Candidate]:
    """The complete configurations as the rule of selection reads them."""
    return [
        Candidate(
            config.number,
            config.validation_score(metric),
            config.reported_score(metric) if config.confirmed else None,
            lost=any(seed > 0 for seed in config.lost),  # seed 0 is the search's
        )
        for config in configs
        if config.outcome is Phase.COMPLETE
    ]


def metrics_over_folds(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The four metrics of `part` ("validation" or "test") in the search, each fold at its best validation epoch."""
    return _over_folds([[config.folds[fold]] for fold in sorted(config.folds)], part, metric)


def reported_metrics(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The four metrics of `part` in the runs that are reported; a fold's value is the mean over its seeds."""
    return _over_folds(list(config.reported().values()), part, metric)


def _over_folds(folds: Sequence[Sequence[FoldResult]], part: str, metric: str) -> dict[str, Spread]:
    scores = [[getattr(run.best(metric), part) for run in runs] for runs in folds]
    return {name: spread([fmean(each[name] for each in runs) for runs in scores]) for name in METRICS}
