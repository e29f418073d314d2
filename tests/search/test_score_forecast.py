"""Predicted final scores: corrected for fold difficulty, and by how configurations grew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from study.search.score_forecast import ScoreForecast, expected_finals, mixed_effects

tables = arrays(float, (9, 5), elements=st.floats(0, 1))


@given(tables)
def test_with_every_fold_seen_a_configs_value_is_its_plain_mean_and_certain(cells):
    means, variances = mixed_effects(cells)
    assert means == pytest.approx(cells.mean(axis=1))
    assert variances == pytest.approx(0.0)


def partly_seen(random, n=200, noise=(0.02,) * 5, hard=(0.1, 0.0, -0.3, 0.05, 0.0)):
    """True means over folds, and cells of which two rotating folds are seen."""
    quality = random.normal(0.5, 0.1, n)
    cells = quality[:, None] + np.array(hard) + random.normal(0, 1, (n, 5)) * noise
    truth, seen = cells.mean(axis=1), cells.copy()
    for row in range(n):
        hidden = [fold for fold in range(5) if fold not in (row % 5, (row + 1 + row // 5 % 2) % 5)]
        seen[row, hidden] = np.nan
    return truth, seen


def test_a_hard_fold_does_not_count_against_the_configurations_that_were_trained_on_it():
    truth, seen = partly_seen(np.random.default_rng(0))
    means, _ = mixed_effects(seen)
    naive = np.nanmean(seen, axis=1)
    assert np.corrcoef(means, truth)[0, 1] > 0.97 > np.corrcoef(naive, truth)[0, 1]


def test_a_noisy_fold_has_little_weight():
    """On a fold of pure noise a raw mean is led astray; the fitted one is closer to the truth of the other folds."""
    noise = np.array((0.02, 0.02, 0.3, 0.02, 0.02))
    truth, seen = partly_seen(np.random.default_rng(1), noise=noise)
    saw_noise = ~np.isnan(seen[:, 2])
    means, variances = mixed_effects(seen)
    centred = np.nanmean(seen - np.nanmean(seen, axis=0), axis=1) + np.nanmean(seen)
    error = np.abs(means - truth)[saw_noise].mean()
    assert error < 0.7 * np.abs(centred - truth)[saw_noise].mean()
    assert variances.max() < 0.3**2


def test_the_stated_variance_is_the_size_of_the_error():
    truth, seen = partly_seen(np.random.default_rng(2), noise=(0.05, 0.1, 0.05, 0.08, 0.05), n=400)
    means, variances = mixed_effects(seen)
    assert np.mean((means - truth) ** 2 / variances) == pytest.approx(1.0, abs=0.35)


@given(tables, st.floats(-0.5, 0.5), st.integers(0, 4))
def test_a_constant_added_to_a_fold_changes_no_order(cells, constant, fold):
    partly = cells.copy()
    partly[::2, 1] = np.nan
    shifted = partly.copy()
    shifted[:, fold] += constant
    before, after = mixed_effects(partly)[0], mixed_effects(shifted)[0]
    assert after - before == pytest.approx(np.full(9, constant / 5), abs=2e-2)


def test_slow_learners_are_predicted_to_end_higher_once_some_have_finished():
    early, late = np.full(6, 0.5), np.full(6, 0.4)
    scores = np.concatenate([early, late]) + np.tile(np.linspace(-0.01, 0.01, 6), 2)
    growth = np.concatenate([np.full(6, 0.01), np.full(6, 0.15)])
    finals = np.full(12, np.nan)
    finals[[0, 1, 6, 7]] = [0.51, 0.52, 0.7, 0.71]
    estimate, _ = expected_finals(scores, growth, finals)
    assert estimate[8:].min() > estimate[2:6].max()


def test_a_configuration_that_is_removed_has_no_mean_and_changes_no_other():
    forecast = ScoreForecast(n_folds=2, epochs=3)
    for number in range(3):
        forecast.put(number, 1, {0: 0.1 * number, 1: 0.1 * number})
    forecast.remove(1)
    assert np.isnan(forecast.means(1)[1])
    assert forecast.means(1)[2] == pytest.approx(0.2)
