"""The comparison of searches: what a study reached, errors over tables and repeats, and whether the target is met."""

import numpy as np
import pytest

from benchmarks.baselines import Eager
from benchmarks.curve_table import CurveTable
from benchmarks.freeze_thaw import FreezeThaw
from benchmarks.rivals import Forgiving, tpe_hyperband
from benchmarks.search import SEARCHERS
from benchmarks.search_figures import Estimate, Figures, estimate, figures_of, lead, missed, regret_ratio
from benchmarks.simulator import Outcome, Timing, simulate
from benchmarks.tables import GENERATORS, seeds
from study.record.events import Closed, EpochDone, Phase, RunLost

FOLDS, EPOCHS = 5, 9


@pytest.fixture(scope="module")
def table():
    """Scores on test rank as on validation, .05 lower; row 3 diverges."""
    random = np.random.default_rng(0)
    rates = random.random(40)
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 2)
    val = (0.4 + 0.4 * rates)[:, None, None] * rise + np.linspace(-0.1, 0.1, FOLDS)[:, None]
    val[3, 1, 4:] = np.nan
    return CurveTable("planted", val, val - 0.05, np.ones(40), [{"rate": float(rate)} for rate in rates])


def test_a_study_is_what_it_selected_at_each_budget(table):
    order = np.argsort(-np.nan_to_num(table.finals()))
    full = table.full_cost() / 2
    outcome = Outcome([(3 * full, int(order[8])), (7 * full, int(order[0]))], 8 * full, 10 * full, [], [])
    found = figures_of(table, outcome, 2, (2, 5, 10))
    finals = table.finals()[order]
    median = np.nanmedian(table.finals())
    assert found.regret == pytest.approx((1.0, (finals[0] - finals[8]) / (finals[0] - median), 0.0))
    assert found.test_points == pytest.approx([100 * (each - 0.05) for each in (median, finals[8], finals[0])])
    assert found.test_regret == pytest.approx([100 * (finals[0] - each) for each in (median, finals[8], finals[0])])
    assert found.cost_to == pytest.approx((7, 7))
    assert found.idle == pytest.approx(0.6)


def test_a_selected_configuration_that_diverges_counts_as_the_median(table):
    outcome = Outcome([(0.0, 3)], 1.0, 1.0, [], [])
    assert figures_of(table, outcome, 1, (1.0,)).regret == (1.0,)


def test_an_error_is_that_of_the_tables_and_of_the_repeats_where_there_is_one_table():
    tables, repeats = estimate([[1.0, 3.0], [4.0, 6.0]]), estimate([[1.0, 3.0]])
    assert (tables.mean, tables.error) == pytest.approx((3.5, 1.5))
    assert (repeats.mean, repeats.error) == pytest.approx((2.0, 1.0))
    assert np.isnan(estimate([[1.0]]).error)


def runs(*points, regret=0.0):
    return [Figures((regret,), (each,), (0.0,), (0.0, 0.0), 0.0) for each in points]


def test_policies_are_compared_repeat_by_repeat_within_a_table():
    results = {"a": {"race": runs(50, 70), "tpe": runs(49, 67)}, "b": {"race": runs(10), "tpe": runs(10)}}
    assert lead(results, "race", "tpe", 0) == Estimate(1.0, 1.0)


def test_the_ratio_of_regrets_is_a_geometric_mean_over_tables():
    results = {
        name: {"race": runs(0, regret=mine), "tpe": runs(0, regret=own)}
        for name, mine, own in (("a", 0.01, 0.07), ("b", 0.03, 0.03))
    }
    assert regret_ratio(results, "race", "tpe", 0).mean == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("ahead", "budget", "n_missed"),
    [
        ((0.6, 0.6), 5.0, 0),
        ((0.4, 0.4), 5.0, 1),  # not far enough ahead
        ((0.4, 0.4), 20.0, 0),
        ((-0.4, -0.2), 20.0, 1),  # -.3 ± .1
        ((-0.4, 0.3), 20.0, 0),  # -.05 ± .35
    ],
)
def test_the_target_is_to_lead_early_and_not_to_be_behind_later(ahead, budget, n_missed):
    results = {str(i): {"race": runs(50 + each), "tpe": runs(50)} for i, each in enumerate(ahead)}
    assert len(missed(results, [budget])) == n_missed


def test_final_tables_share_no_seed_with_development_nor_with_each_other():
    sets = [set(seeds(900)), set(seeds(900, 0)), set(seeds(900, 1))]
    assert len(set.union(*sets)) == 2700


@pytest.mark.parametrize("generator", GENERATORS[2:], ids=lambda each: each.__name__)
def test_made_tables_have_test_scores_of_their_own(generator):
    made = generator(7)
    alive = np.isfinite(made.val)
    assert (np.isfinite(made.test) == alive).all()
    assert (made.test[alive] != made.val[alive]).mean() > 0.9


@pytest.mark.parametrize("policy", [name for name in SEARCHERS if name not in ("race", "asha", "freeze-thaw")])
def test_every_rival_selects_complete_rows_within_the_budget(table, policy):
    outcome = SEARCHERS[policy](table, 2, 0, 4 * table.full_cost())
    assert outcome.selected
    assert outcome.busy <= outcome.end * 2 + 1e-9
    assert len(set(outcome.rows)) == len(outcome.rows)
    if policy != "ray-default":  # which takes means over fewer folds
        finals = [table.finals()[row] for _, row in outcome.selected]
        assert finals == sorted(finals)


def test_forgiving_stops_below_the_incumbents_worst_fold_alone(table):
    outcome = simulate(table, policy=Forgiving(), sampler="random", workers=1, seed=0, n_configs=20)
    finals, worst, folds = {}, {}, {}
    for event in outcome.events:
        if isinstance(event, EpochDone):
            folds.setdefault(event.config, {})[event.fold] = event.validation["UWA"]
        if isinstance(event, Closed) and event.outcome is not Phase.DIVERGED:
            seen = list(folds[event.config].values())
            incumbent = max(finals, key=finals.get, default=None)
            bound = -np.inf if incumbent is None else worst[incumbent]
            assert (event.outcome is Phase.STOPPED) == (len(seen) < FOLDS)
            assert len(seen) == FOLDS or np.mean(seen) < bound
            if len(seen) == FOLDS:
                finals[event.config], worst[event.config] = np.mean(seen), min(seen)
    assert any(len(each) < FOLDS for each in folds.values())


def test_hyperband_stops_early_and_takes_the_best_complete_trial(table):
    outcome = tpe_hyperband(table, workers=1, seed=0, budget_seconds=6 * table.full_cost())
    assert len(outcome.rows) > 8
    assert table.finals()[outcome.selected[-1][1]] > np.nanmedian(table.finals())


def test_freeze_thaw_goes_on_with_the_better_ones_and_selects_complete_rows(table):
    policy = FreezeThaw(table, 0)
    terms = {"rows": policy.rows, "workers": 2, "seed": 0, "budget_seconds": 3 * table.full_cost() / 2}
    outcome = simulate(table, policy=policy, sampler="", **terms)
    spent = np.zeros(len(outcome.rows))
    for event in outcome.events:
        if isinstance(event, EpochDone):
            spent[event.config] += 1
    finals = table.finals()[outcome.rows]
    complete = spent == FOLDS * EPOCHS
    assert complete.sum() < len(outcome.rows)
    assert np.nanmean(finals[complete]) > np.nanmean(finals[~complete])
    assert outcome.rows.index(outcome.selected[-1][1]) in np.flatnonzero(complete)


def test_jitter_changes_the_seconds_of_epochs_and_nothing_that_they_score(table):
    plain, late = (
        simulate(table, policy=Eager(), sampler="random", workers=1, seed=0, n_configs=6, timing=Timing(spread, 1))
        for spread in (0.0, 0.15)
    )
    seconds = [event.seconds for event in late.events if isinstance(event, EpochDone)]
    assert np.std(np.log(seconds)) == pytest.approx(0.15, rel=0.2)
    assert late.end == pytest.approx(sum(seconds) + sum(isinstance(e, RunLost) for e in late.events), rel=0.01)
    assert late.rows == plain.rows
