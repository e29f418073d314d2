"""Is one system better than another? Tests, intervals and a sentence for two systems over the same folds.

The folds of one cross-validation share most of their training data and a speaker's utterances resemble each
other, so plain t tests and plain bootstraps find differences that are not there. All are pure functions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from study.report.formats import format_difference, format_score
from study.training.metrics import score_confusion

ROPE = 0.01
EQUAL_ENOUGH = 0.95
ROUNDING = 1e-12  # scores are ratios of counts: differences this close are one


@dataclass(frozen=True)
class TTest:
    """The statistic t, its degrees of freedom and the two-sided p."""

    t: float
    degrees: int
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
class System:
    """What a comparison needs to know of one system.

    Attributes:
        name: what the tables call it.
        scores: its test score on each fold, the mean over seeds where there are several.
        confusions: `speaker_confusions` over all test folds, summed over seeds.
    """

    name: str
    scores: tuple[float, ...]
    confusions: Int[np.ndarray, "speakers classes classes"]


@dataclass(frozen=True)
class Comparison:
    """The figures of `first` minus `second` in one metric.

    Attributes:
        differences: one per fold; `mean` is their mean.
        interval: of the difference on all test utterances taken together; its centre need not be `mean`.
        p_holm: p adjusted for all comparisons of a report; None until `with_holm` has seen them all.
    """

    first: str
    second: str
    metric: str
    differences: tuple[float, ...]
    mean: float
    test: TTest
    interval: Interval
    equivalence: Equivalence
    p_holm: float | None = None


def corrected_t_test(differences: Sequence[float], test_share: float) -> TTest:
    """The corrected resampled t test of no difference, given one difference per fold.

    t = mean / (s sqrt(1/K + test_share)) with K - 1 degrees of freedom: the plain paired t test (test_share 0)
    takes the folds for independent samples, although they share training data.

    Where nothing measures chance, p is 1 and t is nan (0 if all differences are 0): on a single fold, and when
    every fold gives the same difference. That is a coincidence of coarse scores and not certainty: of two equal
    systems on two folds of 20 utterances, it happens to about one pair in eleven.

    Args:
        differences: first minus second, one per fold, both trained and tested on the same utterances.
        test_share: n_test / n_train, the mean over folds; 1/3 when three sessions train and one tests.

    Raises:
        ValueError: no difference, one that is not finite, or a negative share.

    Source: Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003).
    """
    folds = _checked(differences, test_share)
    degrees, mean = len(folds) - 1, float(folds.mean())
    scale = _scale(folds, test_share)
    if scale == 0:
        return TTest(math.nan if np.any(folds) or not degrees else 0.0, degrees, 1.0)
    return TTest(mean / scale, degrees, float(2 * stats.t.sf(abs(mean / scale), degrees)))


def practical_equivalence(differences: Sequence[float], test_share: float, rope: float = ROPE) -> Equivalence:
    """How probable it is that the first system is worse, practically equal, or better, given the folds.

    The mass below -rope, within, and above +rope of a Student t with K - 1 degrees, centre mean and squared scale
    (1/K + rho / (1 - rho)) s^2, where rho = n_test / (n_test + n_train), so that rho / (1 - rho) is `test_share`.
    All three are nan where nothing measures chance: one fold, or the same difference on every fold.

    Raises:
        ValueError: as `corrected_t_test`, or a rope below 0.

    Source: Corani and Benavoli, A Bayesian approach for comparing cross-validated algorithms on multiple data
        sets, Machine Learning 100 (2015).
    """
    if not rope >= 0:
        raise ValueError(f"a region of practical equivalence has a half-width of 0 or more; got {rope}")
    folds = _checked(differences, test_share)
    scale = _scale(folds, test_share)
    if scale == 0:
        return Equivalence(math.nan, math.nan, math.nan, rope)
    posterior = stats.t(len(folds) - 1, loc=folds.mean(), scale=scale)
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


def speaker_bootstrap(
    first: Int[np.ndarray, "speakers classes classes"],
    second: Int[np.ndarray, "speakers classes classes"],
    metric: str,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """The 95 % interval of metric(first) - metric(second) when other speakers might have been recorded.

    Every draw takes as many speakers as there are, with replacement, the same ones for both systems, and scores
    the sum of their confusion counts. The ends are percentiles of the draws, expanded as a t interval with so
    few speakers is wider than a normal one: 0.9 and 99.1 for ten, where 2.5 and 97.5 cover too little. What another
    training run would change is not in the interval. With a single speaker both ends are nan.

    Raises:
        ValueError: the systems were not tested on the same utterances.

    Source: Hesterberg, What teachers should know about the bootstrap, The American Statistician 69 (2015): the
        expanded percentile interval, here with speakers for observations.
    """
    # Several seeds multiply the counts, so what must agree is each speaker's and class's share of the utterances.
    if first.shape != second.shape or (first.sum(-1) * second.sum() != second.sum(-1) * first.sum()).any():
        raise ValueError("a comparison needs the same test utterances of the same speakers in both systems")
    first, second = (counts[counts.any((1, 2))] for counts in (first, second))  # a speaker without utterances is none
    speakers = len(first)
    if speakers < 2:
        return Interval(math.nan, math.nan)
    times_drawn = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=draws)
    scores = [score_confusion(np.tensordot(times_drawn, counts, 1))[metric] for counts in (first, second)]
    tail = stats.norm.cdf(stats.t.ppf(0.025, speakers - 1) * math.sqrt(speakers / (speakers - 1)))
    low, high = np.quantile(scores[0] - scores[1], [tail, 1 - tail])
    return Interval(float(low), float(high))


def compare(
    first: System, second: System, metric: str, test_share: float, rope: float = ROPE, seed: int = 0
) -> Comparison:
    """The comparison of two systems that were trained and tested on the same folds, fold by fold in one order.

    Raises:
        ValueError: different numbers of folds, or as the functions above.
    """
    differences = tuple(one - other for one, other in zip(first.scores, second.scores, strict=True))
    mean = float(np.mean(differences))
    test = corrected_t_test(differences, test_share)
    interval = speaker_bootstrap(first.confusions, second.confusions, metric, seed=seed)
    equivalence = practical_equivalence(differences, test_share, rope)
    return Comparison(first.name, second.name, metric, differences, mean, test, interval, equivalence)


def with_holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one report with `p_holm` filled in."""
    adjusted = holm({str(index): comparison.test.p for index, comparison in enumerate(comparisons)})
    return [replace(comparison, p_holm=p) for comparison, p in zip(comparisons, adjusted.values(), strict=True)]


def sentence(comparison: Comparison, level: float = 0.05) -> str:
    """One sentence: which system is above the other, or that no difference is shown.

    "No difference shown" is not "equal"; that they are equal in practice is added where it is probable.
    """
    one, other = comparison.first, comparison.second
    p, kind = (comparison.test.p, ", not adjusted") if comparison.p_holm is None else (comparison.p_holm, " after Holm")
    chance = f"p < .001{kind}" if p < 0.001 else f"p = {format_score(p)}{kind}"
    if math.isnan(comparison.test.t):
        chance = "folds without spread do not measure chance"
    if p < level:
        side = "above" if comparison.mean > 0 else "below"
        text = f"{one} {side} {other} by {format_score(abs(comparison.mean))} ({chance})"
    else:
        text = f"no difference shown between {one} and {other} ({format_difference(comparison.mean)}, {chance})"
    equal, rope = comparison.equivalence.equal, comparison.equivalence.rope
    if equal >= EQUAL_ENOUGH:
        text += f"; equal within {format_score(rope)} with probability {format_score(equal)}"
    return text


def _checked(differences: Sequence[float], test_share: float) -> Float[np.ndarray, " folds"]:
    """The differences as an array, or a ValueError."""
    folds = np.asarray(differences, dtype=float)
    if len(folds) == 0 or not np.isfinite(folds).all():
        raise ValueError(f"a comparison needs a finite difference on every fold; got {list(differences)}")
    if not 0 <= test_share < math.inf:
        raise ValueError(f"test utterances per training utterance are 0 or more; got {test_share}")
    return folds


def _scale(folds: Float[np.ndarray, " folds"], test_share: float) -> float:
    """The standard error of the mean difference; 0 where the folds show no spread."""
    if np.ptp(folds) < ROUNDING:
        return 0.0
    return float(folds.std(ddof=1) * math.sqrt(1 / len(folds) + test_share))
