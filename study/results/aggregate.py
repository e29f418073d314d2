"""From fold runs to figures: what every table, report and tracker shows is computed here, from records alone."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from scipy import stats

from study.results.ledger import FoldRun
from study.training.metrics import METRICS

Record = Mapping[str, Any]


@dataclass
class FoldResult:
    """One fold run: its epochs in order, and whether it ended at full length or by its own early stop."""

    run: FoldRun
    epochs: list[Record] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it was trained to its end."""
        return bool(self.epochs) and bool(self.epochs[-1]["ended"])

    def best(self, metric: str) -> Record:
        """The epoch with the best validation score; the earliest of equals. Test scores are not looked at."""
        return max(self.epochs, key=lambda epoch: (epoch["validation"][metric], -epoch["epoch"]))


@dataclass
class ConfigResult:
    """One configuration: its parameters, its fold runs, how it ended ("open" while it has not) and why.

    `folds` are the runs of the search, by fold; `fresh` those that confirm it, by fold and seed (1 and up). Under
    protocol nested, `judged` is how it ended for each tested block.
    """

    variant: str
    number: int
    params: dict[str, Any]
    folds: dict[int, FoldResult] = field(default_factory=dict)
    fresh: dict[tuple[int, int], FoldResult] = field(default_factory=dict)
    outcome: str = "open"
    reason: str = ""
    judged: dict[int, str] = field(default_factory=dict)

    @property
    def epochs_run(self) -> int:
        """Epochs trained, over all runs."""
        return sum(len(run.epochs) for run in self.runs())

    @property
    def seconds(self) -> float:
        """Seconds of training and evaluation, over all runs."""
        return float(sum(epoch["seconds"] for run in self.runs() for epoch in run.epochs))

    @property
    def confirmed(self) -> bool:
        """Whether it was trained again to the end on every fold with every fresh seed."""
        seeds = {seed for _, seed in self.fresh}
        whole = all((fold, seed) in self.fresh for fold in self.folds for seed in seeds)
        return bool(self.fresh) and whole and all(run.ended for run in self.fresh.values())

    def runs(self) -> list[FoldResult]:
        """All its fold runs, those of the search first."""
        return [*self.folds.values(), *self.fresh.values()]

    def reported(self) -> dict[int, list[FoldResult]]:
        """Per fold, the runs that are reported: of the fresh seeds where they confirm it, else of the search."""
        if not self.confirmed:
            return {fold: [self.folds[fold]] for fold in sorted(self.folds)}
        seeds = sorted({seed for _, seed in self.fresh})
        return {fold: [self.fresh[fold, seed] for seed in seeds] for fold in sorted(self.folds)}

    def validation_score(self, metric: str) -> float:
        """The mean over folds of the best validation score in the search."""
        return fmean(fold.best(metric)["validation"][metric] for fold in self.folds.values())

    def reported_score(self, metric: str) -> float:
        """The mean over folds and seeds of the best validation score in the runs that are reported."""
        return fmean(run.best(metric)["validation"][metric] for runs in self.reported().values() for run in runs)


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
        half = stats.t.ppf((1 + level) / 2, len(self.folds) - 1) * self.std / math.sqrt(len(self.folds))
        return self.mean - float(half), self.mean + float(half)


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation of `values`, 0 for a single one."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else 0.0, tuple(values))


def configurations(records: Iterable[Record]) -> dict[str, list[ConfigResult]]:
    """Every configuration on record, by variant and in order of number."""
    found: dict[str, list[ConfigResult]] = defaultdict(list)
    for record in records:
        if record["kind"] == "config":
            found[record["variant"]].append(ConfigResult(record["variant"], record["config"], dict(record["params"])))
            continue
        config = found[record["variant"]][record["config"]]
        if record["kind"] == "epoch":
            run = FoldRun(record["variant"], record["config"], record["fold"], record["seed"])
            if run.seed:
                config.fresh.setdefault((run.fold, run.seed), FoldResult(run)).epochs.append(record)
            else:
                config.folds.setdefault(run.fold, FoldResult(run)).epochs.append(record)
        elif record["kind"] == "judged":
            config.judged[record["outer"]] = record["outcome"]
        elif record["kind"] == "closed":
            config.outcome, config.reason = record["outcome"], record["reason"]
    return dict(found)


def best_by_validation(configs: Sequence[ConfigResult], metric: str) -> ConfigResult | None:
    """The configuration to select: the best of those that fresh seeds confirm, else the best of the search.

    Only complete ones count, by mean validation score; the earliest of equals.
    """
    complete = [config for config in configs if config.outcome == "complete"]
    candidates = [config for config in complete if config.confirmed] or complete
    return max(candidates, key=lambda config: (config.reported_score(metric), -config.number), default=None)


def metrics_over_folds(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The four metrics of `part` ("validation" or "test") in the search, each fold at its best validation epoch."""
    return _over_folds([[config.folds[fold]] for fold in sorted(config.folds)], part, metric)


def reported_metrics(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The same of the runs that are reported; a fold's value is the mean over its seeds."""
    return _over_folds(list(config.reported().values()), part, metric)


def _over_folds(folds: Sequence[Sequence[FoldResult]], part: str, metric: str) -> dict[str, Spread]:
    scores = [[run.best(metric)[part] for run in runs] for runs in folds]
    return {name: spread([fmean(each[name] for each in runs) for runs in scores]) for name in METRICS}
