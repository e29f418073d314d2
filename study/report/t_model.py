"""Student's t around a mean difference: test, interval, probabilities, and the smallest difference to be shown.

All follow from the mean, its standard error and its degrees of freedom, so none of them can contradict another. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

ROPE = 0.01
ROUNDING = 1e-12  # scores are ratios of counts: differences this close are one
LEVEL = 0.05


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


def _quantile(degrees: float, level: float) -> float:
    """The two-sided quantile of Student's t; nan without degrees of freedom."""
    return float(stats.t.ppf(1 - level / 2, degrees)) if degrees else math.nan
