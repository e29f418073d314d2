"""Is one system better than another? A test and an interval for two systems over the same folds.

The folds of one cross-validation share most of their training data, and what a search selects is in part luck. Both
are in one standard error, from which p, interval, probabilities and smallest difference follow, so that none of them
can contradict another. All are pure functions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from study.record.search_variance import FEWEST_CONFIGS

ROPE = 0.01
ROUNDING = 1e-12  # scores are ratios of counts: differences this close are one
LEVEL = 0.05
# From so many whole searches of each system on, they measure the luck of the search themselves.
FEWEST_SEARCHES = 3


@dataclass(frozen=True)
class TTest:
    """The statistic t, its degrees of freedom and the two-sided p."""

    t: float
    degrees: float
    p: float


@dataclass(frozen=True)
class Equivalence:
    """Probabilities that the first system is worse, practically equal (within `rope`) or better; they sum to 1."""

    worse: float
    equal: float
    better: float
    rope: float = ROPE


@dataclass(frozen=True)
class Interval:
    """The ends of a 95 % interval."""

    low: float
    high: float


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


def standard_error(differences: Sequence[float], test_share: float, luck: float = 0.0) -> float:
    """The standard error of the mean difference over folds, as another search on other folds would vary it.

    sqrt(s^2 (1/K + test_share) + luck). The plain standard error has test_share 0: it takes the folds for independent
    samples, although they share training data.

    nan where nothing measures chance: on a single fold, and when every fold gives the same difference. That is a
    coincidence of coarse scores and not certainty: of two equal systems on two folds of 20 utterances, it happens to
    about one pair in eleven.

    Args:
        differences: first minus second, one per fold, both trained and tested on the same utterances.
        test_share: n_test / n_train, the mean over folds; 1/3 when three sessions train and one tests.
        luck: the sum of both systems' `search_variance`.

    Raises:
        ValueError: no difference, one that is not finite, or a negative share or luck.

    Source: Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003), for the folds;
        Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys 2021, for the search.
    """
    folds = np.asarray(differences, dtype=float)
    if len(folds) == 0 or not np.isfinite(folds).all():
        raise ValueError(f"a comparison needs a finite difference on every fold; got {list(differences)}")
    if not 0 <= test_share < math.inf:
        raise ValueError(f"test utterances per training utterance are 0 or more; got {test_share}")
    if not 0 <= luck < math.inf:
        raise ValueError(f"a variance is 0 or more; got {luck}")
    if np.ptp(folds) < ROUNDING:
        return math.nan
    return math.sqrt(float(folds.var(ddof=1)) * (1 / len(folds) + test_share) + luck)


def error_over_searches(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The standard error of a difference of two means over whole searches, and its degrees of freedom.

    Other searches on the same folds would vary it by that much: sessions, and so speakers, are not drawn anew. nan
    where all searches of each give one score.

    Source: Welch, The generalization of Student's problem, Biometrika 34 (1947).
    """
    parts = [float(np.var(each, ddof=1)) / len(each) for each in (first, second)]
    if sum(parts) < ROUNDING**2:
        return math.nan, min(len(first), len(second)) - 1.0
    squares = sum(part**2 / (len(each) - 1) for part, each in zip(parts, (first, second), strict=True))
    return math.sqrt(sum(parts)), sum(parts) ** 2 / squares


def t_test(mean: float, error: float, degrees: float) -> TTest:
    """The t test of no difference: the `mean` by its standard `error`.

    Where nothing measures chance, p is 1 and t is nan (0 if the mean is 0).
    """
    if math.isnan(error):
        return TTest(math.nan if mean or not degrees else 0.0, degrees, 1.0)
    return TTest(mean / error, degrees, float(2 * stats.t.sf(abs(mean / error), degrees)))


def t_interval(mean: float, error: float, degrees: float) -> Interval:
    """The 95 % interval of the same model: it leaves out 0 exactly where p of `t_test` is below .05.

    Both ends are nan where nothing measures chance.
    """
    half = _quantile(degrees, LEVEL) * error
    return Interval(mean - half, mean + half)


def critical_difference(error: float, degrees: float, n_comparisons: int) -> float:
    """The smallest difference that this study could show: from it on, it would have been confirmed in any company.

    t at LEVEL / n_comparisons (Bonferroni, two-sided) times the standard error; nan where nothing measures chance. A
    true difference of this size is found about every second time. What Holm's test does not confirm is below it.
    """
    return _quantile(degrees, LEVEL / n_comparisons) * error


def practical_equivalence(mean: float, error: float, degrees: float, rope: float = ROPE) -> Equivalence:
    """How probable it is that the first system is worse, practically equal, or better, given folds and searches.

    The mass below -rope, within, and above +rope of a Student t around the mean, scaled by `error`. All three are nan
    where nothing measures chance.

    Raises:
        ValueError: a rope below 0.

    Source: Corani and Benavoli, A Bayesian approach for comparing cross-validated algorithms on multiple data
        sets, Machine Learning 100 (2015), whose scale is `standard_error` without luck.
    """
    if not rope >= 0:
        raise ValueError(f"a region of practical equivalence has a half-width of 0 or more; got {rope}")
    if math.isnan(error):
        return Equivalence(math.nan, math.nan, math.nan, rope)
    posterior = stats.t(degrees, loc=mean, scale=error)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return Equivalence(worse, max(0.0, 1 - worse - better), better, rope)


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


def _quantile(degrees: float, level: float) -> float:
    """The two-sided quantile of Student's t; nan without degrees of freedom."""
    return float(stats.t.ppf(1 - level / 2, degrees)) if degrees else math.nan
