"""Two systems over the same folds: what a comparison holds, and the sentence it becomes."""

import math
from dataclasses import replace

import pytest

from study.report.significance import System, Tuning, compare, with_holm
from study.report.t_model import Equivalence, Interval, practical_equivalence, standard_error, t_interval, t_test
from study.report.verdict import decision, sentence

FOLDS = (0.03, 0.05, 0.01, 0.04, 0.07)


def system(name, scores, tuning=None):
    return System(name, scores, tuning)


@pytest.fixture
def found():
    cross = system("cross", (0.53, 0.56, 0.50, 0.55, 0.57), Tuning(16, 1e-4))
    return compare(cross, system("text", (0.5, 0.51, 0.49, 0.51, 0.5), Tuning(20, 3e-4)), "WA", test_share=0.25)


def test_a_comparison_is_first_minus_second_fold_by_fold(found):
    assert found.differences == pytest.approx(FOLDS)
    assert found.mean == pytest.approx(0.04)
    assert found.luck == pytest.approx(4e-4)
    assert found.error == standard_error(found.differences, 0.25, found.luck)
    assert found.test == t_test(found.mean, found.error, 4)
    assert found.interval == t_interval(found.mean, found.error, 4)
    assert found.equivalence == practical_equivalence(found.mean, found.error, 4)
    assert (found.p_holm, found.smallest, found.too_few) == (None, None, None)


def test_what_was_not_searched_for_adds_no_luck_and_needs_no_configurations():
    tuned, published = system("cross", (0.5, 0.6), Tuning(16, 1e-4)), system("cross published", (0.4, 0.3))
    found = compare(tuned, published, "WA", 0.25)
    assert (found.luck, found.has_verdict) == (1e-4, True)
    assert compare(published, replace(published, name="x"), "WA", 0.25).has_verdict


@pytest.mark.parametrize(
    ("sizes", "known"), [((16, 16), None), ((15, 16), 15), ((16, 8), 8), ((15, 8), 8), ((40, 15), 15)]
)
def test_the_smaller_search_decides_whether_there_is_a_verdict(sizes, known):
    one, other = (system(f"s{n}", (0.5, 0.6 + 0.1 * n), Tuning(size, 1e-4)) for n, size in enumerate(sizes))
    found = compare(one, other, "WA", 0.25)
    assert (found.too_few, found.has_verdict) == (known, known is None)


def test_luck_that_nothing_measures_allows_no_verdict():
    found = compare(system("a", (0.5, 0.6), Tuning(30, math.nan)), system("b", (0.5, 0.7)), "WA", 0.25)
    assert (found.luck, found.has_verdict) == (0, False)


def test_systems_with_different_folds_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        compare(system("cross", (0.5, 0.6)), system("text", (0.5,)), "WA", 0.25)


def test_holm_is_filled_in_over_all_comparisons_with_a_verdict(found):
    surer = replace(found, test=replace(found.test, p=0.01))
    less = replace(found, test=replace(found.test, p=0.03))
    none = replace(found, test=replace(found.test, p=0.001), too_few=8)
    assert [each.p_holm for each in with_holm([less, none, surer])] == [pytest.approx(0.03), None, pytest.approx(0.02)]


@pytest.mark.parametrize("n_comparisons", [1, 2, 7])
def test_a_difference_that_could_be_shown_is_where_bonferroni_turns(found, n_comparisons):
    smallest = with_holm([found] * n_comparisons)[0].smallest
    for times, shown in ((0.999, False), (1.001, True)):
        assert (n_comparisons * t_test(smallest * times, found.error, found.degrees).p < 0.05) is shown


UNDECIDED = Equivalence(0.1, 0.3, 0.6)


CERTAIN = Equivalence(0.01, 0.97, 0.02)


@pytest.mark.parametrize(
    ("mean", "changes", "expected"),
    [
        (0.041, {"p_holm": 0.012}, "cross leads text by .041 (−.010 to +.092); confirmed after Holm (p = .012)"),
        (-0.041, {"p_holm": 0.012}, "cross trails text by .041 (−.010 to +.092); confirmed after Holm (p = .012)"),
        (0.2, {"p_holm": 0.0002}, "cross leads text by .200 (−.010 to +.092); confirmed after Holm (p < .001)"),
        (
            0.041,
            {"p_holm": 0.05, "smallest": 0.1104},
            "cross leads text by .041 (−.010 to +.092); not confirmed after Holm (p = .050); "
            "this study could show .110",
        ),
        (
            -0.0004,
            {"p_holm": 1.0, "smallest": 0.1104},
            "cross and text score alike (−.010 to +.092); not confirmed after Holm (p = 1.000); "
            "this study could show .110",
        ),
        (
            0.001,
            {"p_holm": 0.4, "smallest": 0.02, "equivalence": CERTAIN},
            "cross leads text by .001 (−.010 to +.092); not confirmed after Holm (p = .400); "
            "this study could show .020; equal within .010 with probability .970",
        ),
        (
            0.041,
            {"too_few": 8, "equivalence": CERTAIN},
            "cross leads text by .041 (−.010 to +.092); too few configurations for a verdict (8; at least 16)",
        ),
        (
            0.041,
            {"too_few": 16},
            "cross leads text by .041 (−.010 to +.092); "
            "no verdict: a search with one complete configuration does not measure its luck",
        ),
    ],
)
def test_the_sentence_of_a_comparison(found, mean, changes, expected):
    changes = {"equivalence": UNDECIDED, "interval": Interval(-0.01, 0.092)} | changes
    assert sentence(replace(found, mean=mean, **changes)) == expected


def test_a_p_that_was_not_adjusted_is_marked(found):
    bare = replace(found, test=replace(found.test, p=0.0412))
    assert sentence(bare).endswith("; confirmed (p = .041, not adjusted)")


def test_the_same_difference_on_every_fold_is_no_finding():
    (same,) = with_holm([compare(system("cross", (0.6, 0.7)), system("text", (0.5, 0.6)), "WA", 0.25)])
    assert decision(same) == "no spread"
    assert sentence(same) == "cross leads text by .100; no verdict: scores without spread do not measure chance"


def test_a_system_does_not_differ_from_itself():
    one = system("cross", (0.6, 0.7, 0.5))
    (same,) = with_holm([compare(one, replace(one, name="cross again"), "UWF1", 0.25)])
    assert sentence(same).startswith("cross and cross again score alike; no verdict")
