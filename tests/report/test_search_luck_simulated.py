"""Pairs of searches of one variant, drawn from planted variances: the right standard error, and few false findings.

A configuration scores level + session + run on each of five folds, for validation and for test, and `hidden` is what of
its test score validation does not show. All searches draw from the same variances, so no pair differs.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from study.record.search_variance import Choice, search_variance
from study.record.selection import Candidate, select
from study.report.significance import System, Tuning, compare, is_confirmed
from study.training.metrics import METRICS

FOLDS, TEST_SHARE = 5, 1 / 3
SEEDS, FINALISTS = 3, 3


@dataclass(frozen=True)
class Planted:
    """Standard deviations: of levels below the best, of what validation hides, of sessions, of single runs."""

    level: float
    hidden: float
    session: float
    run: float


REAL = Planted(level=0.06, hidden=0.02, session=0.01, run=0.012)
LOTTERY = Planted(level=0.0, hidden=0.03, session=0.0, run=0.005)


def search(rng, planted, n_configs, confirm, draws):
    """One search: the selected configuration's test score on each fold, and the variance of its mean by luck."""
    level = -np.abs(rng.normal(0, planted.level, (n_configs, 1)))
    session = rng.normal(0, planted.session, (n_configs, FOLDS))
    hidden = rng.normal(0, planted.hidden, (n_configs, 1))

    def runs(*times):
        noise = rng.normal(0, planted.run, (*times, 2, n_configs, FOLDS))
        return noise + np.stack([level + np.roll(session, 1, 1), level + session + hidden])

    validation, test = runs()
    again = runs(SEEDS).mean(0)
    best = set(np.argsort(-validation.mean(1))[:FINALISTS].tolist()) | {0} if confirm else set()
    candidates = [
        Candidate(n, float(validation[n].mean()), float(again[0, n].mean()) if n in best else None)
        for n in range(n_configs)
    ]
    reported = np.where(np.isin(np.arange(n_configs), list(best))[:, None], again[1], test)
    tests = {n: dict.fromkeys(METRICS, float(reported[n].mean())) for n in range(n_configs)}
    luck = search_variance(
        [Choice(tuple(candidates), tests)], range(n_configs), FINALISTS, int(rng.integers(2**31)), draws
    )
    return tuple(reported[select(candidates, FINALISTS)].tolist()), luck["WA"]


def pairs(n, planted, n_configs=16, confirm=False, draws=100, lead=0.0, seed=0):
    """Comparisons of two searches each, of which the first is better by `lead`; the old test's in the second place."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        (one, luck), (other, its_luck) = (search(rng, planted, n_configs, confirm, draws) for _ in range(2))
        one = tuple(score + lead for score in one)
        systems = System("one", one, Tuning(n_configs, luck)), System("other", other, Tuning(n_configs, its_luck))
        without = System("one", one), System("other", other)
        yield compare(*systems, "WA", TEST_SHARE), compare(*without, "WA", TEST_SHARE)


@pytest.mark.parametrize("n_configs", [8, 16])
def test_the_standard_error_has_the_size_that_the_planted_variances_give_it(n_configs):
    found = [new for new, _ in pairs(200, LOTTERY, n_configs, draws=60)]
    # Of two resamples, both select their k-th best with chance w_k^2: so much of the variance does not show.
    ends = (1 - np.arange(n_configs + 1) / n_configs) ** n_configs
    seen = 1 - ((ends[:-1] - ends[1:]) ** 2).sum()
    of_a_mean = LOTTERY.hidden**2 + LOTTERY.run**2 / FOLDS
    expected = 2 * LOTTERY.run**2 * (1 / FOLDS + TEST_SHARE) + 2 * seen * of_a_mean
    assert np.mean([each.error**2 for each in found]) ** 0.5 == pytest.approx(expected**0.5, rel=0.1)
    assert np.var([each.mean for each in found]) == pytest.approx(2 * of_a_mean, rel=0.2)


def test_without_luck_it_is_the_true_one_where_folds_correlate_as_assumed():
    rng = np.random.default_rng(0)
    rho = TEST_SHARE / (1 + TEST_SHARE)
    folds = 0.02 * (rho**0.5 * rng.normal(size=(800, 1)) + (1 - rho) ** 0.5 * rng.normal(size=(800, FOLDS)))
    nothing = System("other", (0.0,) * FOLDS)
    found = [compare(System("one", tuple(row)), nothing, "WA", TEST_SHARE) for row in folds.tolist()]
    assert np.mean([each.error**2 for each in found]) ** 0.5 == pytest.approx(folds.mean(1).std(), rel=0.1)


@pytest.mark.parametrize(("planted", "confirm"), [(REAL, False), (REAL, True), (LOTTERY, False)])
def test_two_searches_of_one_variant_are_hardly_ever_declared_different(planted, confirm):
    found = list(pairs(150, planted, confirm=confirm))
    assert np.mean([is_confirmed(new) for new, _ in found]) <= 0.05
    assert np.mean([new.interval.low > 0 or new.interval.high < 0 for new, _ in found]) <= 0.05
    assert np.mean([is_confirmed(old) for _, old in found]) > 0.12  # the folds alone know nothing of luck


def test_a_large_difference_is_found_and_at_eight_configurations_none_is_declared():
    assert np.mean([is_confirmed(new) for new, _ in pairs(60, REAL, lead=0.15)]) > 0.8
    assert not any(is_confirmed(new) for new, _ in pairs(10, REAL, n_configs=8, lead=0.15))
