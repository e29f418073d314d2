"""Two systems over the same folds: what a comparison holds, and the sentence it becomes."""

from dataclasses import replace

import numpy as np
import pytest

from study.report.significance import (
    Equivalence,
    System,
    compare,
    corrected_t_test,
    practical_equivalence,
    sentence,
    speaker_bootstrap,
    with_holm,
)

FOLDS = (0.03, 0.05, 0.01, 0.04, 0.07)
# Three speakers with ten utterances of each class: 31 of 60 right against 24.
CROSS = np.array([[[6, 4], [5, 5]], [[4, 6], [5, 5]], [[5, 5], [4, 6]]])
TEXT = np.array([[[4, 6], [6, 4]], [[5, 5], [7, 3]], [[5, 5], [7, 3]]])


def system(name, scores, confusions=CROSS):
    return System(name, scores, confusions)


@pytest.fixture
def found():
    cross = system("cross", (0.53, 0.56, 0.50, 0.55, 0.57))
    return compare(cross, system("text", (0.5, 0.51, 0.49, 0.51, 0.5), TEXT), "WA", test_share=0.25)


def test_a_comparison_is_first_minus_second_fold_by_fold(found):
    assert found.differences == pytest.approx(FOLDS)
    assert found.mean == pytest.approx(0.04)
    assert found.test == corrected_t_test(found.differences, 0.25)
    assert found.equivalence == practical_equivalence(found.differences, 0.25)
    assert found.interval == speaker_bootstrap(CROSS, TEXT, "WA")
    assert found.interval.low < (31 - 24) / 60 < found.interval.high
    assert found.p_holm is None


def test_systems_with_different_folds_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        compare(system("cross", (0.5, 0.6)), system("text", (0.5,)), "WA", 0.25)


def test_holm_is_filled_in_over_all_comparisons(found):
    surer = replace(found, test=replace(found.test, p=0.01))
    less = replace(found, test=replace(found.test, p=0.03))
    assert [comparison.p_holm for comparison in with_holm([less, surer])] == pytest.approx([0.03, 0.02])


UNDECIDED = Equivalence(0.1, 0.3, 0.6)


@pytest.mark.parametrize(
    ("mean", "p_holm", "equivalence", "expected"),
    [
        (0.041, 0.012, UNDECIDED, "cross above text by .041 (p = .012 after Holm)"),
        (-0.041, 0.012, UNDECIDED, "cross below text by .041 (p = .012 after Holm)"),
        (0.2, 0.0002, UNDECIDED, "cross above text by .200 (p < .001 after Holm)"),
        (0.041, 0.05, UNDECIDED, "no difference shown between cross and text (+.041, p = .050 after Holm)"),
        (-0.003, 1.0, UNDECIDED, "no difference shown between cross and text (−.003, p = 1.000 after Holm)"),
        (
            0.001,
            0.4,
            Equivalence(0.01, 0.97, 0.02),
            "no difference shown between cross and text (+.001, p = .400 after Holm); "
            "equal within .010 with probability .970",
        ),
    ],
)
def test_the_sentence_of_a_comparison(found, mean, p_holm, equivalence, expected):
    assert sentence(replace(found, mean=mean, p_holm=p_holm, equivalence=equivalence)) == expected


def test_a_p_that_was_not_adjusted_is_marked(found):
    bare = replace(found, test=replace(found.test, p=0.0412))
    assert sentence(bare) == "cross above text by .040 (p = .041, not adjusted)"
    assert sentence(bare, level=0.01).startswith("no difference shown")


def test_the_same_difference_on_every_fold_is_no_finding():
    same = compare(system("cross", (0.6, 0.7)), system("text", (0.5, 0.6)), "WA", 0.25)
    assert (
        sentence(same)
        == "no difference shown between cross and text (+.100, folds without spread do not measure chance)"
    )


def test_a_system_does_not_differ_from_itself():
    one = system("cross", (0.6, 0.7, 0.5))
    same = compare(one, replace(one, name="cross again"), "UWF1", 0.25)
    assert (same.interval.low, same.interval.high) == (0, 0)
    assert sentence(same).startswith("no difference shown between cross and cross again (+.000, p = 1.000")
