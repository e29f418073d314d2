"""The bootstrap over speakers, against what other speakers and other seeds would show."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from study.training.metrics import score_confusion
from study.training.resampling import confusions_by_unit, interval, resampled, units_of


def one_class(right: np.ndarray, n: int) -> np.ndarray:
    """Counts by unit of a single run whose utterances are all of the first class."""
    return np.array([[[[hits, n - hits], [0, 0]] for hits in right]])


def test_intervals_over_speakers_cover_what_an_endless_number_of_them_would_show():
    """Speakers whose accuracies vary around .7: the interval of WA holds .7 in about 95 of 100 corpora."""
    generator, held = np.random.default_rng(0), 0
    for repeat in range(200):
        [found] = resampled([one_class(generator.binomial(20, generator.beta(7, 3, size=30)), 20)], repeat)
        low, high = interval(found["WA"])
        held += low <= 0.7 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_intervals_of_a_difference_hold_zero_for_two_equal_systems_with_their_own_seeds():
    """Both systems find the same speakers hard, and the luck of each training run is its own."""
    generator, held = np.random.default_rng(1), 0
    for repeat in range(200):
        speakers = generator.normal(0, 0.1, size=24)
        systems = []
        for _ in range(2):
            runs = 0.7 + speakers + generator.normal(0, 0.03, size=(5, 1))
            systems.append(np.concatenate([one_class(generator.binomial(20, run.clip(0, 1)), 20) for run in runs]))
        one, other = resampled(systems, repeat)
        low, high = interval(one["WA"] - other["WA"])
        held += low <= 0 <= high
    assert 0.9 <= held / 200 <= 1.0


def test_a_pair_of_equal_predictions_never_differs_though_its_scores_do():
    """What differs between resamples is the speakers, and both systems have the same ones."""
    own = one_class(np.arange(12), 20)
    one, other = resampled([own, own.copy()], 0)
    assert (one["WA"] == other["WA"]).all()
    assert np.ptp(one["WA"]) > 0


def test_counts_by_speaker_add_up_to_the_scores_of_all():
    generator = np.random.default_rng(2)
    labels, runs = generator.integers(3, size=60), [generator.integers(3, size=60) for _ in range(2)]
    by_unit = confusions_by_unit(labels, runs, [f"s{n}" for n in generator.integers(7, size=60)], 3)
    assert by_unit.shape == (2, 7, 3, 3)
    expected = [balanced_accuracy_score(labels, predicted) for predicted in runs]
    assert score_confusion(by_unit.sum(1))["UWA"] == pytest.approx(expected)


def test_groups_are_resampled_where_a_speaker_is_not_known():
    assert units_of(["ann", "bob"], ["s1", "s1"]) == ("speaker", ["ann", "bob"])
    assert units_of(["ann", "unknown in s2"], ["s1", "s2"]) == ("group", ["s1", "s2"])
