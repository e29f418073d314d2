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
    """One configuration: its parameters, its fold runs, how it ended ("open" while it has not) and why."""

    variant: str
    number: int
    params: dict[str, Any]
    folds: dict[int, FoldResult] = field(default_factory=dict)
    outcome: str = "open"
    reason: str = ""

    @property
    def epochs_run(self) -> int:
        """Epochs trained, over all folds."""
        return sum(len(fold.epochs) for fold in self.folds.values())

    @property
    def seconds(self) -> float:
        """Seconds of training and evaluation, over all folds."""
        return float(sum(epoch["seconds"] for fold in self.folds.values() for epoch in fold.epochs))

    def validation_score(self, metric: str) -> float:
        """The mean over folds of the best validation score: what configurations are selected by."""
        return fmean(fold.best(metric)["validation"][metric] for fold in self.folds.values())


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
            config.folds.setdefault(run.fold, FoldResult(run)).epochs.append(record)
        elif record["kind"] == "closed":
            config.outcome, config.reason = record["outcome"], record["reason"]
    return dict(found)


def best_by_validation(configs: Sequence[ConfigResult], metric: str) -> ConfigResult | None:
    """The complete configuration with the best mean validation score; the earliest of equals."""
    complete = [config for config in configs if config.outcome == "complete"]
    return max(complete, key=lambda config: (config.validation_score(metric), -config.number), default=None)


def metrics_over_folds(config: ConfigResult, part: str, metric: str) -> dict[str, Spread]:
    """The four metrics of `part` ("validation" or "test") at each fold's best epoch by validation `metric`."""
    folds = [config.folds[fold].best(metric)[part] for fold in sorted(config.folds)]
    return {name: spread([scores[name] for scores in folds]) for name in METRICS}
