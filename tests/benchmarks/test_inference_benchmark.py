"""The check of the report's tests: what new seeds score, and what is counted over pairs."""

import numpy as np
import pytest

from benchmarks.curve_table import CurveTable
from benchmarks.inference import FOLDS as BY_FOLDS
from benchmarks.inference import LUCK, WHOLE, Found, NewSeeds, search, shares

LEVEL, NOISE, FOLDS = 0.05, 0.02, 5


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 200
    level = rng.normal(0.5, LEVEL, (n, 1, 1)) + 0.03 * np.arange(FOLDS)[:, None]
    val, test = (level + rng.normal(0, NOISE, (n, FOLDS, 1)) + np.array([-0.2, -0.1, 0]) for _ in range(2))
    val[3, 1, 1:] = np.nan
    params = [{"rate": float(rate)} for rate in rng.random(n)]
    return CurveTable("planted", val, test - 0.05, np.ones(n), params)


def test_new_seeds_score_a_rows_level_drawn_to_the_mean_and_noise(table):
    again, random = NewSeeds.of(table), np.random.default_rng(0)
    drawn = np.array([again.draw(7, random) for _ in range(4000)])
    assert drawn.var(axis=0).mean() ** 0.5 == pytest.approx(NOISE, rel=0.05)
    reliable = LEVEL**2 / (LEVEL**2 + NOISE**2 / FOLDS)
    alive = np.delete(np.arange(200), 3)
    for part, scores in zip(drawn.mean(axis=(0, 2)), (table.val, table.test), strict=True):
        own, mean = scores[7, :, -1].mean(), scores[alive, :, -1].mean()
        assert part == pytest.approx(mean + reliable * (own - mean), abs=0.004)


def test_a_search_reports_confirmation_runs_and_its_luck(table):
    found = search(table, NewSeeds.of(table), "random", 8, seed=1)
    assert found is not None
    assert found.luck > 0
    assert len(found.scores) == FOLDS
    assert not np.isin(found.scores, table.test).any()  # means of three new seeds
    assert found == search(table, NewSeeds.of(table), "random", 8, seed=1)


def test_shares_are_counted_over_pairs():
    far = Found((0.60, 0.61, 0.59, 0.60, 0.62), 1e-6), Found((0.50, 0.51, 0.50, 0.50, 0.51), 1e-6)
    lucky = tuple(Found(each.scores, 0.01) for each in far)
    far, lucky = (([one], [other]) for one, other in (far, lucky))
    for pairs, found in (([far], (1.0, 1.0, 1.0)), ([far, lucky], (0.5, 0.5, 0.5)), ([lucky], (0.0, 0.0, 0.0))):
        each = shares(pairs, 16, LUCK)
        assert (each.different, each.excludes_0, each.power) == found
        assert each.true == pytest.approx(0.1)
    assert shares([lucky], 16, BY_FOLDS).different == 1


def test_whole_searches_differ_if_their_means_are_further_apart_than_they_are_among_each_other():
    near = [Found((0.5 + 0.001 * n, 0.52, 0.54), 1e-6) for n in range(3)]
    apart = [Found((0.6 + 0.001 * n, 0.62, 0.64), 1e-6) for n in range(3)]
    assert shares([(near, apart)], 8, WHOLE).different == 1
    assert shares([(near, near)], 8, WHOLE).different == 0
