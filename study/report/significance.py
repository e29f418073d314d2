"""Is one system better than another? A test and an interval for two systems over the same folds.

The folds of one cross-validation share most of their training data, and what a search selects is in part luck. Both
are in one standard error, from which p, interval, probabilities and smallest difference follow, so that none of them
can contradict another. All are pure functions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from study.record.search_variance import FEWEST_CONFIGS
from study.report.t_model import (
    LEVEL,
    ROPE,
    Equivalence,
    Interval,
    TTest,
    critical_difference,
    error_over_searches,
    practical_equivalence,
    standard_error,
    t_interval,
    t_test,
)

# From so many whole searches of each system on, they measure the luck of the search themselves.
FEWEST_SEARCHES = 3


@dataclass(frozen=True)
class Tuning:
    """The search that a system comes from.

    Attributes:
        n_configs: configurations whose search is over.
        variance: `search_variance` of the metric; nan where nothing measures it.
    """

    n_configs: int
    variance: float

    @property
    def allows_verdict(self) -> bool:
        """Whether the luck of the search is known well enough."""
        return self.n_configs >= FEWEST_CONFIGS and not math.isnan(self.variance)


@dataclass(frozen=True)
class System:
    """What a comparison needs to know of one system.

    Attributes:
        name: what the tables call it.
        scores: its test score on each fold, the mean over seeds where there are several.
        tuning: None for one that was not searched for, such as a published setting.
        searches: its mean test score in each whole search of the study.
    """

    name: str
    scores: tuple[float, ...]
    tuning: Tuning | None = None
    searches: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Everything said about `first` minus `second` in one metric.

    Attributes:
        differences: one per fold; `mean` is their mean.
        luck: the variance that the searches add to `mean`.
        error: the standard error of `mean`; nan where nothing measures it.
        degrees: its degrees of freedom.
        too_few: the configurations of the smaller search where they are too few for a verdict; p is none then.
        p_holm: p adjusted for all comparisons of a report in this metric that have a verdict; None before `with_holm`
            has seen them all, and without a verdict.
        smallest: see `critical_difference`; None as long as `p_holm`.
        n_searches: how many whole searches of the system with fewer were tested on; 0 where folds were.
    """

    first: str
    second: str
    metric: str
    differences: tuple[float, ...]
    mean: float
    luck: float
    error: float
    degrees: float
    test: TTest
    interval: Interval
    equivalence: Equivalence
    too_few: int | None = None
    p_holm: float | None = None
    smallest: float | None = None
    n_searches: int = 0

    @property
    def has_verdict(self) -> bool:
        """Whether the study is large enough to decide."""
        return self.too_few is None


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values adjusted so that the chance of even one false finding among all of them stays below the level.

    Raises:
        ValueError: a p-value outside [0, 1].

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6 (1979).
    """
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value lies in [0, 1]; got {p} for {name}")
        largest = max(largest, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def compare(first: System, second: System, metric: str, test_share: float, rope: float = ROPE) -> Comparison:
    """The comparison of two systems that were trained and tested on the same folds, fold by fold in one order.

    It rests on whole searches where there are `FEWEST_SEARCHES` of each, else on folds and the estimated luck.

    Raises:
        ValueError: different numbers of folds, or as the functions above.
    """
    differences = tuple(one - other for one, other in zip(first.scores, second.scores, strict=True))
    mean, tunings = float(np.mean(differences)), [each.tuning for each in (first, second) if each.tuning is not None]
    luck = sum(each.variance for each in tunings if not math.isnan(each.variance))
    n_searches = min(len(first.searches), len(second.searches))
    too_few = None
    if n_searches >= FEWEST_SEARCHES:
        error, degrees = error_over_searches(first.searches, second.searches)
    else:
        n_searches, degrees = 0, len(differences) - 1.0
        error = standard_error(differences, test_share, luck)
        too_few = min((each.n_configs for each in tunings if not each.allows_verdict), default=None)
    return Comparison(
        first.name,
        second.name,
        metric,
        differences,
        mean,
        luck,
        error,
        degrees,
        t_test(mean, error, degrees),
        t_interval(mean, error, degrees),
        practical_equivalence(mean, error, degrees, rope),
        too_few,
        n_searches=n_searches,
    )


def with_holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one report and metric with `p_holm` and `smallest` filled in where there is a verdict."""
    decided = [place for place, comparison in enumerate(comparisons) if comparison.has_verdict]
    adjusted = holm({str(place): comparisons[place].test.p for place in decided})
    found = list(comparisons)
    for place in decided:
        each = found[place]
        smallest = critical_difference(each.error, each.degrees, len(decided))
        found[place] = replace(each, p_holm=adjusted[str(place)], smallest=smallest)
    return found


def is_confirmed(comparison: Comparison) -> bool:
    """Whether the difference is shown, after Holm's adjustment where that is known."""
    p = comparison.test.p if comparison.p_holm is None else comparison.p_holm
    return comparison.has_verdict and p < LEVEL
