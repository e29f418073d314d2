"""Each figure of a comparison by hand or against scipy; how often they are wrong is in test_significance_simulated."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from study.report.significance import (
    corrected_t_test,
    holm,
    practical_equivalence,
    speaker_bootstrap,
)
from study.training.metrics import METRICS, score, speaker_confusions

FOLDS = (0.03, 0.05, 0.01, 0.04, 0.07)
differences = st.lists(st.floats(-1, 1).map(lambda value: round(value, 4)), min_size=2, max_size=12).filter(
    lambda values: len(set(values)) > 1
)
shares = st.floats(0.01, 1)


def predicted(seed, right=0.6, n_classes=3, speakers=8, per_speaker=30):
    """Labels, predictions with about `right` of them right, and speakers, of a made-up corpus."""
    names = np.repeat([f"speaker{number}" for number in range(speakers)], per_speaker)
    labels = np.random.default_rng(0).integers(0, n_classes, len(names))
    rng = np.random.default_rng(seed)
    guesses = rng.integers(0, n_classes, len(names))
    return labels, np.where(rng.random(len(names)) < right, labels, guesses), names


# The corrected t test


def test_t_by_hand():
    # mean .04, squared deviations .0001 .0001 .0009 0 .0009, so s = sqrt(.002 / 4); 1/5 + 1/3 = 8/15.
    test = corrected_t_test(FOLDS, 1 / 3)
    assert test.t == pytest.approx(0.04 / math.sqrt(0.0005 * 8 / 15))
    assert test.degrees == 4
    # 2.449 lies between the two-sided 10 % and 5 % points of Student's table at 4 degrees, 2.132 and 2.776.
    assert 0.05 < test.p < 0.10


@given(differences)
def test_without_shared_training_data_it_is_the_paired_t_test(values):
    expected = stats.ttest_1samp(values, 0)
    test = corrected_t_test(values, 0)
    assert (test.t, test.p) == pytest.approx((expected.statistic, expected.pvalue))


@given(differences, shares)
def test_exchanging_the_systems_changes_the_sign_only(values, share):
    test, exchanged = corrected_t_test(values, share), corrected_t_test([-value for value in values], share)
    assert exchanged.t == pytest.approx(-test.t)
    assert exchanged.p == pytest.approx(test.p)


@given(differences, shares)
def test_sharing_training_data_never_makes_a_finding_surer(values, share):
    assert corrected_t_test(values, share).p >= corrected_t_test(values, 0).p - 1e-12


def test_it_holds_its_level_where_folds_correlate_as_assumed_and_the_plain_test_does_not():
    # Five equal sessions, three in training: n_test / (n_test + n_train) = 1/4 is the correlation of two folds.
    rng = np.random.default_rng(0)
    folds = 0.5 * rng.normal(size=(2000, 1)) + math.sqrt(0.75) * rng.normal(size=(2000, 5))
    assert np.mean([corrected_t_test(row, 1 / 3).p < 0.05 for row in folds]) == pytest.approx(0.05, abs=0.015)
    assert np.mean(stats.ttest_1samp(folds, 0, axis=1).pvalue < 0.05) > 0.15


@pytest.mark.parametrize("values", [[0.2], [0.2] * 5, [0.1, 0.6 - 0.5, 0.4 - 0.3]])
def test_folds_without_spread_measure_no_chance(values):
    test = corrected_t_test(values, 0.25)
    assert (math.isnan(test.t), test.degrees, test.p) == (True, len(values) - 1, 1)
    assert math.isnan(practical_equivalence(values, 0.25).equal)


def test_equal_scores_on_every_fold_are_no_difference():
    test = corrected_t_test([0.0] * 5, 0.25)
    assert (test.t, test.p) == (0, 1)


@pytest.mark.parametrize(
    ("values", "share"), [([], 0.3), ([0.1, math.nan], 0.3), ([0.1, 0.2], -1), ([0.1, 0.2], math.nan)]
)
def test_what_is_no_comparison_is_refused(values, share):
    with pytest.raises(ValueError, match=r"finite difference on every fold|test utterances per training utterance"):
        corrected_t_test(values, share)


# Practical equivalence


@given(differences, shares, st.floats(0, 0.2))
def test_the_probabilities_are_the_integrals_of_the_posterior(values, share, rope):
    found = practical_equivalence(values, share, rope)
    rho = share / (1 + share)  # n_test / (n_test + n_train)
    n, centre, sd = len(values), np.mean(values), np.std(values, ddof=1)
    scale = sd * math.sqrt(1 / n + rho / (1 - rho))
    norm = math.gamma(n / 2) / (math.gamma((n - 1) / 2) * math.sqrt((n - 1) * math.pi))

    def density(z):
        return norm * (1 + z**2 / (n - 1)) ** (-n / 2)

    low, high = (-rope - centre) / scale, (rope - centre) / scale

    def between_zero_and(x):  # far out, what is left of the half; a long interval hides the bell from quadrature
        beyond = integrate.quad(density, abs(x), math.inf)[0]
        inside = 0.5 - beyond if abs(x) > 3 else integrate.quad(density, 0, abs(x))[0]
        return math.copysign(inside, x)

    assert found.equal == pytest.approx(between_zero_and(high) - between_zero_and(low), abs=1e-6)
    assert found.worse == pytest.approx(integrate.quad(density, -math.inf, low)[0], abs=1e-6)
    assert found.better == pytest.approx(integrate.quad(density, high, math.inf)[0], abs=1e-6)


@given(differences, shares)
def test_without_a_region_the_smaller_tail_is_half_of_p(values, share):
    found = practical_equivalence(values, share, rope=0)
    assert min(found.worse, found.better) == pytest.approx(corrected_t_test(values, share).p / 2)
    assert found.equal == pytest.approx(0, abs=1e-12)


@given(differences, shares)
def test_exchanging_the_systems_exchanges_worse_and_better(values, share):
    one, other = practical_equivalence(values, share), practical_equivalence([-value for value in values], share)
    assert (one.worse, one.equal, one.better) == pytest.approx((other.better, other.equal, other.worse))


def test_a_negative_region_is_refused():
    with pytest.raises(ValueError, match="half-width of 0 or more"):
        practical_equivalence(FOLDS, 0.25, rope=-0.01)


# Holm


def test_holm_by_hand():
    # Sorted .01 .02 .03 .20, times 4 3 2 1: .04 .06 .06 .20.
    adjusted = holm({"c": 0.03, "a": 0.01, "d": 0.2, "b": 0.02})
    assert list(adjusted) == ["c", "a", "d", "b"]
    assert adjusted == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.2})


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(values):
    # A hypothesis falls when every set of hypotheses around it falls by Bonferroni: no sorting, no steps.
    names = [str(number) for number in range(len(values))]
    p = dict(zip(names, values, strict=True))
    subsets = [set(s) for size in range(1, len(names) + 1) for s in itertools.combinations(names, size)]
    closed = {n: max(min(1, len(s) * min(p[m] for m in s)) for s in subsets if n in s) for n in names}
    assert holm(p) == pytest.approx(closed)


def test_a_number_that_is_no_p_value_is_refused():
    with pytest.raises(ValueError, match="got nan for self"):
        holm({"self": math.nan, "cross": 0.5})


# The bootstrap over speakers


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_is_that_of_utterances_resampled_by_speaker(metric):
    # The same draws, but the slow way: copy the speakers' utterances and score them one draw at a time.
    labels, first, names = predicted(1)
    second = predicted(2, right=0.5)[1]
    counts = [speaker_confusions(labels, predictions, names, 3) for predictions in (first, second)]
    slow = []
    for times in np.random.default_rng(5).multinomial(8, np.full(8, 1 / 8), size=200):
        rows = np.concatenate([np.tile(np.flatnonzero(names == f"speaker{k}"), times[k]) for k in range(8)])
        slow.append(score(labels[rows], first[rows], 3)[metric] - score(labels[rows], second[rows], 3)[metric])
    found = speaker_bootstrap(*counts, metric, draws=200, seed=5)
    # t(7) at 97.5 % is 2.365; times sqrt(8/7) 2.528, which leaves .574 % in each tail of a normal distribution.
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.00574, 0.99426])), abs=1e-4)


def test_two_thousand_draws_of_ten_speakers_take_well_under_a_second():
    counts = np.random.default_rng(0).integers(1, 30, (10, 7, 7))
    other = np.random.default_rng(1).permuted(counts, axis=2)
    start = time.process_time()
    speaker_bootstrap(counts, other, "UWF1", draws=2000)
    assert time.process_time() - start < 0.5


def test_an_interval_over_many_equal_speakers_is_the_normal_one():
    # 400 speakers of one utterance: a speaker's difference in hits is -1, 0 or 1, and its mean is normal.
    rng = np.random.default_rng(0)
    labels, names = np.zeros(400, int), [str(number) for number in range(400)]
    first, second = ((rng.random(400) < wrong).astype(int) for wrong in (0.2, 0.4))
    found = speaker_bootstrap(*(speaker_confusions(labels, p, names, 2) for p in (first, second)), "WA", draws=20000)
    gaps = (first == 0).astype(float) - (second == 0)
    half = 1.96 * gaps.std() / 20
    assert (found.low, found.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half), abs=0.004)


def test_several_seeds_of_one_system_may_be_summed():
    labels, first, names = predicted(1)
    once = speaker_confusions(labels, first, names, 3)
    other = speaker_confusions(*predicted(2), 3)
    assert speaker_bootstrap(once * 3, other, "WA") == speaker_bootstrap(once, other, "WA")


def test_systems_that_were_tested_on_other_utterances_are_refused():
    one = speaker_confusions(*predicted(1), 3)
    for other in (one[:-1], one[::-1]):
        with pytest.raises(ValueError, match="same test utterances of the same speakers"):
            speaker_bootstrap(one, other, "WA")


def test_one_speaker_gives_no_interval():
    one = speaker_confusions(*predicted(1, speakers=1), 3)
    assert math.isnan(speaker_bootstrap(one, one, "WA").low)
    silent = np.concatenate([one, np.zeros_like(one)])
    assert math.isnan(speaker_bootstrap(silent, silent, "WA").high)
