"""From events to figures, by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.record.epoch_rule import EPOCH_RULES
from study.record.events import Closed, ConfigAdded, EpochDone, Phase, RunLost
from study.record.results import configurations, metrics_over_folds, reported_metrics, selected, spread
from study.report.baselines import guess_scores
from study.training.metrics import METRICS
from tests.report.toy import toy_plan


def epoch(number, fold, epoch, validation, test, ended=False, seed=0):
    scores = dict.fromkeys(METRICS, validation), dict.fromkeys(METRICS, test)
    return EpochDone("cross", number, fold, seed, epoch, 1.0, *scores, 2.0, ended)


def config(number):
    return ConfigAdded("cross", number, {"n_heads": 6})


def closed(number, outcome):
    return Closed("cross", number, outcome, "r")


EVENTS = [
    config(0),
    epoch(0, 0, 1, 0.5, 0.9),
    epoch(0, 0, 2, 0.6, 0.2, ended=True),
    epoch(0, 1, 1, 0.4, 0.5, ended=True),
    closed(0, Phase.COMPLETE),
    config(1),
    epoch(1, 0, 1, 0.99, 0.99),
    epoch(1, 1, 1, 0.99, 0.99),
    closed(1, Phase.STOPPED),
    config(2),
    epoch(2, 0, 1, 0.5, 0.4, ended=True),
    epoch(2, 1, 1, 0.5, 0.4, ended=True),
    closed(2, Phase.COMPLETE),
]


def of(events, n_seeds=0, rule="shared"):
    return configurations(events, n_seeds, rule)["cross"]


@pytest.mark.parametrize("rule", EPOCH_RULES)
def test_the_epoch_is_chosen_by_validation_whatever_the_test_score_is(rule):
    first = of(EVENTS, rule=rule)[0]
    assert first.counted("UWA")[0].epoch == 2
    assert metrics_over_folds(first, "test", "UWA")["WA"].folds == (0.2, 0.5)


CURVES = st.lists(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=6), min_size=1, max_size=5)


@given(CURVES)
def test_every_rule_picks_an_epoch_that_was_trained_and_is_never_better_than_each_runs_own_best(curves):
    scores = {}
    for name, rule in EPOCH_RULES.items():
        picked = rule.pick(curves)
        assert all(1 <= epoch <= len(curve) for epoch, curve in zip(picked, curves, strict=True))
        scores[name] = np.mean([curve[epoch - 1] for epoch, curve in zip(picked, curves, strict=True)])
    assert scores["best"] + 1e-12 >= scores["shared"] >= scores["last"] - 1e-12


@given(CURVES)
def test_the_shared_epoch_is_the_argmax_of_the_mean_curve_with_ended_runs_held(curves):
    """The oracle: numpy on a padded matrix."""
    length = max(map(len, curves))
    padded = np.array([curve + curve[-1:] * (length - len(curve)) for curve in curves])
    means = padded.mean(axis=0)
    epoch = max(EPOCH_RULES["shared"].pick(curves))
    assert means[epoch - 1] == pytest.approx(means.max())
    assert EPOCH_RULES["shared"].pick(curves) == [min(epoch, len(curve)) for curve in curves]


def test_confirmation_runs_count_at_their_last_epoch_if_the_search_says_where_they_end():
    runs = [(fold, at, score) for fold in (0, 1) for at, score in ((1, 0.9), (2, 0.6))]
    events = [*EVENTS, *(epoch(2, fold, at, score, 0.1 * at, ended=at == 2, seed=1) for fold, at, score in runs)]
    for rule, expected in (("shared", 2), ("last", 2), ("best", 1)):
        config = of(events, n_seeds=1, rule=rule)[2]
        assert [e.epoch for own in config.reported_epochs("UWA").values() for e in own] == [expected] * 2
        assert config.reported_score("UWA") == pytest.approx({1: 0.9, 2: 0.6}[expected])


def test_only_complete_configurations_are_selected_and_the_earlier_of_equals():
    assert selected(of(EVENTS), "UWA", 0).number == 0  # .5 like configuration 2; 1 has .99 but was stopped


def test_no_complete_configuration_means_no_selection():
    assert selected(of([config(0), closed(0, Phase.FAILED)]), "UWA", 0) is None


CONFIRMED = [
    *EVENTS,
    *(epoch(2, fold, 1, 0.7, 0.30 + 0.1 * seed, ended=True, seed=seed) for fold in (0, 1) for seed in (1, 2)),
]


def test_a_confirmed_configuration_is_selected_and_reported_by_its_new_seeds():
    """Once every finalist is confirmed or lost: configuration 0, the published one, is lost in its first new seed."""
    lost = RunLost("cross", 0, 0, 1, Phase.DIVERGED, "r")
    best = selected(of([*CONFIRMED, lost], n_seeds=2), "UWA", 1)
    assert (best.number, best.confirmed) == (2, True)
    assert reported_metrics(best, "test", "UWA")["WA"].folds == pytest.approx((0.45, 0.45))


def test_while_confirmation_runs_are_still_to_come_the_search_alone_decides():
    assert selected(of(CONFIRMED, n_seeds=2), "UWA", 1).number == 0
    assert not of(CONFIRMED, n_seeds=3)[2].confirmed


def test_costs_are_sums_over_folds_and_epochs():
    first = of(EVENTS)[0]
    assert (first.epochs_run, first.seconds) == (3, 6.0)


def test_spread_has_n_minus_1_in_the_denominator_and_students_interval():
    found = spread([0.4, 0.5, 0.6])
    assert (found.mean, found.std) == pytest.approx((0.5, 0.1))
    # t(.975, 2 degrees) = 4.302653; half width = 4.302653 * .1 / sqrt(3)
    assert found.interval() == pytest.approx((0.5 - 0.24841, 0.5 + 0.24841), abs=1e-5)


def test_a_single_fold_has_no_spread():
    assert math.isnan(spread([0.4]).std)
    assert all(map(math.isnan, spread([0.4]).interval()))


IEMOCAP = {"ang": 1103, "hap": 595, "exc": 1041, "sad": 1084, "neu": 1708, "fru": 1849, "sur": 107}


def test_the_guessing_baseline_scores_what_the_class_counts_of_iemocap_imply():
    """Accuracy and mean recall 1/7; F1 by hand from expected counts: about .155 weighted and .131 macro."""
    utterances = [{"id": f"{c}{i}", "label": c, "group": "s"} for c, n in IEMOCAP.items() for i in range(n)]
    plan = replace(toy_plan(), classes=list(IEMOCAP), utterances=utterances, folds=[{"test": ["s"]}])
    scores = {name: value.mean for name, value in guess_scores(plan, "test").items()}
    assert scores == pytest.approx({"WA": 1 / 7, "UWA": 1 / 7, "WF1": 0.155, "UWF1": 0.131}, abs=0.001)
