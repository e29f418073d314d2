"""From events to figures: what every table, report and tracker shows is computed here, from events alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from scipy import special

from study.record.epoch_rule import EPOCH_RULES, EpochRule
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

    def curve(self, metric: str) -> list[float]:
        """The validation score after each epoch."""
        return [epoch.validation[metric] for epoch in self.epochs]


@dataclass
class ConfigResult:
    """One configuration: its parameters, its fold runs, how it ended and why.

    `folds` are the runs of the search, by fold; `confirmations` those with new seeds, by fold and seed (1 and up), of
    which the study asks for `n_seeds`; `lost` has, by seed, why a run diverged or failed. `epoch_rule` says at which
    epochs runs count; test scores are not read for it. Under protocol nested, `block_outcomes` is how it ended for each
    test block, and `together` are the folds whose runs are read together; empty for all of them.
    """

    variant: str
    number: int
    params: dict[str, Any]
    n_seeds: int = 0
    epoch_rule: EpochRule = EPOCH_RULES["shared"]
    folds: dict[int, FoldResult] = field(default_factory=dict)
    confirmations: dict[tuple[int, int], FoldResult] = field(default_factory=dict)
    outcome: Phase = Phase.OPEN
    reason: str = ""
    lost: dict[int, str] = field(default_factory=dict)
    block_outcomes: dict[int, Phase] = field(default_factory=dict)
    together: Sequence[Sequence[int]] = ()

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

    def counted(self, metric: str) -> dict[int, EpochDone]:
        """By fold, the epoch at which its run of the search counts."""
        found = {}
        for group in self.together or [sorted(self.folds)]:
            folds = [fold for fold in group if fold in self.folds]
            picked = self.epoch_rule.pick([self.folds[fold].curve(metric) for fold in folds]) if folds else []
            found.update({fold: self.folds[fold].epochs[at - 1] for fold, at in zip(folds, picked, strict=True)})
        return found

    def reported_epochs(self, metric: str) -> dict[int, list[EpochDone]]:
        """Per fold, the epochs at which the runs of `reported` count."""
        if not self.confirmed:
            return {fold: [epoch] for fold, epoch in self.counted(metric).items()}
        runs = self.reported()
        picked = iter(self.epoch_rule.pick_confirmed([run.curve(metric) for own in runs.values() for run in own]))
        return {fold: [run.epochs[next(picked) - 1] for run in own] for fold, own in runs.items()}

    def validation_score(self, metric: str) -> float:
        """The mean over folds of the validation scores that count in the search."""
        return fmean(epoch.validation[metric] for epoch in self.counted(metric).values())

    def reported_score(self, metric: str) -> float:
        """The mean over folds and seeds of the validation scores that count in the runs that are reported."""
        return fmean(epoch.validation[metric] for epochs in self.reported_epochs(metric).values() for epoch in epochs)


@dataclass(frozen=True)
class Spread:
    """A metric over the folds: mean, standard deviation (n - 1 in the denominator), and the folds' values.

    The deviation is nan for a single fold, and so are the ends of the interval: nothing measures them.
    """

    mean: float
    std: float
    folds: tuple[float, ...]

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's confidence interval of the mean; the folds share training data, so it is a rough guide."""
        if len(self.folds) < 2:
            return math.nan, math.nan
        quantile = special.stdtrit(
            len(self.folds) - 1, (1 + level) / 2
        )  # of Student's t; scipy.stats is slow to import
        half = quantile * self.std / math.sqrt(len(self.folds))
        return self.mean - float(half), self.mean + float(half)


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of `values`."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else math.nan, tuple(values))


class Configurations:
    """Every configuration on record, by variant and in order of number, as events come one after another."""

    def __init__(self, n_seeds: int, epoch_rule: str = "shared") -> None:
        """Begin with none: of a study that asks for `n_seeds` new seeds and reads epochs by the rule of that name."""
        self._n_seeds, self._rule = n_seeds, EPOCH_RULES[epoch_rule]
        self.by_variant: dict[str, list[ConfigResult]] = {}

    def add(self, event: Event) -> None:
        """Take in the next event."""
        found = self.by_variant.setdefault(event.variant, [])
        if isinstance(event, ConfigAdded):
            found.append(ConfigResult(event.variant, event.config, dict(event.params), self._n_seeds, self._rule))
            return
        config = found[event.config]
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


def configurations(events: Iterable[Event], n_seeds: int, epoch_rule: str = "shared") -> dict[str, list[ConfigResult]]:
    """Every configuration that `events` have, as `Configurations` keeps them."""
    found = Configurations(n_seeds, epoch_rule)
    for event in events:
        found.add(event)
    return found.by_variant


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
    """The four metrics of `part` ("validation" or "test") in the search, each fold at the epoch that counts."""
    return _over_folds([[epoch] for epoch in config.counted(metric).values()], part)


def reported_metrics(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The four metrics of `part` in the runs that are reported; a fold's value is the mean over its seeds."""
    return _over_folds(list(config.reported_epochs(metric).values()), part)


def metrics_over_runs(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The four metrics of `part` in the runs that are reported, each run a value: its folds and its seeds."""
    return _over_folds([[epoch] for own in config.reported_epochs(metric).values() for epoch in own], part)


def _over_folds(folds: Sequence[Sequence[EpochDone]], part: str) -> dict[str, Spread]:
    return {name: spread([fmean(getattr(epoch, part)[name] for epoch in own) for own in folds]) for name in METRICS}
