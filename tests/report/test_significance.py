"""Each figure of a comparison by hand or against scipy; how often they are wrong is in test_significance_simulated."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from study.report.significance import holm
from study.report.t_model import critical_difference, practical_equivalence, standard_error, t_interval, t_test

FOLDS = (0.03, 0.05, 0.01, 0.04, 0.07)
differences = st.lists(st.floats(-1, 1).map(lambda value: round(value, 4)), min_size=2, max_size=12).filter(
    lambda values: len(set(values)) > 1
)
shares = st.floats(0.01, 1)


lucks = st.floats(0, 0.1)


def corrected_t_test(values, share, luck=0.0):
    error = standard_error(values, share, luck)
    return t_test(float(np.mean(values)), error, len(values) - 1)


def equivalence(values, share, rope=0.01, luck=0.0):
    return practical_equivalence(float(np.mean(values)), standard_error(values, share, luck), len(values) - 1, rope)


# The corrected t test


def test_t_by_hand():
    # mean .04, squared deviations .0001 .0001 .0009 0 .0009, so s = sqrt(.002 / 4); 1/5 + 1/3 = 8/15.
    test = corrected_t_test(FOLDS, 1 / 3)
    assert test.t == pytest.approx(0.04 / math.sqrt(0.0005 * 8 / 15))
    assert test.degrees == 4
    # 2.449 lies between the two-sided 10 % and 5 % points of Student's table at 4 degrees, 2.132 and 2.776.
    assert 0.05 < test.p < 0.10


def test_the_luck_of_the_searches_is_added_to_the_variance():
    # 1/5 + 1/3 = 8/15 of s^2 = .0005, and .0004: the root of .000666...
    assert standard_error(FOLDS, 1 / 3, 0.0004) == pytest.approx(math.sqrt(0.002 / 3))


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


@given(differences, shares, lucks)
def test_luck_never_makes_a_finding_surer(values, share, luck):
    assert corrected_t_test(values, share, luck).p >= corrected_t_test(values, share).p - 1e-12


@given(differences, shares, lucks)
def test_the_interval_and_p_never_contradict_each_other(values, share, luck):
    error = standard_error(values, share, luck)
    mean, degrees = float(np.mean(values)), len(values) - 1
    interval, p = t_interval(mean, error, degrees), t_test(mean, error, degrees).p
    assume(abs(p - 0.05) > 1e-9)
    assert (interval.low > 0 or interval.high < 0) == (p < 0.05)
    assert (abs(np.mean(values)) > critical_difference(error, degrees, 1)) == (p < 0.05)


def test_the_interval_by_hand():
    # Student's table at 4 degrees: 2.776 for 95 %; for two comparisons 97.5 %: 3.495.
    interval = t_interval(float(np.mean(FOLDS)), 0.01, 4)
    assert (interval.low, interval.high) == pytest.approx((0.04 - 0.02776, 0.04 + 0.02776), abs=1e-5)
    assert critical_difference(0.01, 4, 1) == pytest.approx(0.02776, abs=1e-5)
    assert critical_difference(0.01, 4, 2) == pytest.approx(0.03495, abs=1e-5)


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
    assert math.isnan(equivalence(values, 0.25).equal)
    error = standard_error(values, 0.25, 0.001)  # the luck of the searches alone measures no folds
    assert all(math.isnan(x) for x in (error, t_interval(0.1, error, 4).low, critical_difference(error, 4, 1)))


def test_equal_scores_on_every_fold_are_no_difference():
    test = corrected_t_test([0.0] * 5, 0.25)
    assert (test.t, test.p) == (0, 1)


@pytest.mark.parametrize(
    ("values", "share"), [([], 0.3), ([0.1, math.nan], 0.3), ([0.1, 0.2], -1), ([0.1, 0.2], math.nan)]
)
def test_what_is_no_comparison_is_refused(values, share):
    with pytest.raises(ValueError, match=r"finite difference on every fold|test utterances per training utterance"):
        corrected_t_test(values, share)


@pytest.mark.parametrize("luck", [-1e-9, math.nan, math.inf])
def test_luck_that_is_no_variance_is_refused(luck):
    with pytest.raises(ValueError, match="variance is 0 or more"):
        standard_error(FOLDS, 0.25, luck)


# Practical equivalence


@given(differences, shares, st.floats(0, 0.2), lucks)
def test_the_probabilities_are_the_integrals_of_the_posterior(values, share, rope, luck):
    found = equivalence(values, share, rope, luck)
    rho = share / (1 + share)  # n_test / (n_test + n_train)
    n, centre, sd = len(values), np.mean(values), np.std(values, ddof=1)
    scale = math.sqrt(sd**2 * (1 / n + rho / (1 - rho)) + luck)
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
    found = equivalence(values, share, rope=0)
    assert min(found.worse, found.better) == pytest.approx(corrected_t_test(values, share).p / 2)
    assert found.equal == pytest.approx(0, abs=1e-12)


@given(differences, shares)
def test_exchanging_the_systems_exchanges_worse_and_better(values, share):
    one, other = equivalence(values, share), equivalence([-value for value in values], share)
    assert (one.worse, one.equal, one.better) == pytest.approx((other.better, other.equal, other.worse))


def test_a_negative_region_is_refused():
    with pytest.raises(ValueError, match="half-width of 0 or more"):
        practical_equivalence(0.1, 0.02, 4, rope=-0.01)


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
