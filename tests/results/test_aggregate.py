"""From records to figures, by hand."""

import json
from dataclasses import replace

import pytest

from study.errors import UserError
from study.results import predictions
from study.results.aggregate import best_by_validation, configurations, metrics_over_folds, spread
from study.results.chance import random_scores
from study.results.plan import Plan
from study.results.selection import selection
from study.training.metrics import METRICS


def epoch(config, fold, number, validation, test, ended=False):
    return {
        "kind": "epoch",
        "variant": "cross",
        "config": config,
        "fold": fold,
        "seed": 0,
        "epoch": number,
        "loss": 1.0,
        "validation": dict.fromkeys(METRICS, validation),
        "test": dict.fromkeys(METRICS, test),
        "seconds": 2.0,
        "ended": ended,
    }


def config(number):
    return {"kind": "config", "variant": "cross", "config": number, "params": {"n_heads": 6}}


def closed(number, outcome):
    return {"kind": "closed", "variant": "cross", "config": number, "outcome": outcome, "reason": "r"}


RECORDS = [
    config(0),
    epoch(0, 0, 1, 0.5, 0.9),
    epoch(0, 0, 2, 0.6, 0.2, ended=True),
    epoch(0, 1, 1, 0.4, 0.5, ended=True),
    closed(0, "complete"),
    config(1),
    epoch(1, 0, 1, 0.99, 0.99),
    epoch(1, 1, 1, 0.99, 0.99),
    closed(1, "stopped"),
    config(2),
    epoch(2, 0, 1, 0.5, 0.4, ended=True),
    epoch(2, 1, 1, 0.5, 0.4, ended=True),
    closed(2, "complete"),
]


def test_the_epoch_is_chosen_by_validation_whatever_the_test_score_says():
    first = configurations(RECORDS)["cross"][0]
    assert first.folds[0].best("UWA")["epoch"] == 2
    assert metrics_over_folds(first, "test", "UWA")["WA"].folds == (0.2, 0.5)


def test_only_complete_configurations_are_selected_and_the_earlier_of_equals():
    best = best_by_validation(configurations(RECORDS)["cross"], "UWA")
    assert best.number == 0  # .5 like configuration 2; configuration 1 has .99 but was stopped


def test_no_complete_configuration_means_no_selection():
    assert best_by_validation(configurations([config(0), closed(0, "failed")])["cross"], "UWA") is None


def test_costs_are_sums_over_folds_and_epochs():
    first = configurations(RECORDS)["cross"][0]
    assert (first.epochs_run, first.seconds) == (3, 6.0)


def test_spread_has_n_minus_1_in_the_denominator_and_students_interval():
    found = spread([0.4, 0.5, 0.6])
    assert (found.mean, found.std) == pytest.approx((0.5, 0.1))
    # t(.975, 2 degrees) = 4.302653; half width = 4.302653 * .1 / sqrt(3)
    assert found.interval() == pytest.approx((0.5 - 0.24841, 0.5 + 0.24841), abs=1e-5)


def test_a_single_fold_has_no_spread():
    assert spread([0.4]).std == 0
    assert spread([0.4]).interval() == (0.4, 0.4)


PLAN = Plan(
    name="p",
    corpus={"name": "demo", "digest": "abcdef0123456789"},
    classes=["a", "b"],
    folds=[{}, {}, {}],
    packs={},
    encoders={"audio": "logmel"},
    utterances=[],
    variants=["cross"],
    n_configs=4,
    metric="UWA",
    epochs=12,
    rungs=[1, 4],
    eta=3,
    lookahead=4,
    finalists=0,
    seeds=0,
    seed=0,
    environment={"python": "3.11"},
    reference_rows={},
)


def test_a_plan_survives_the_disk(tmp_path):
    PLAN.write(tmp_path)
    assert Plan.read(tmp_path) == PLAN


def test_differences_name_what_changed_from_what_to_what_and_ignore_what_may_grow():
    assert PLAN.differences(replace(PLAN, epochs=20, seed=1)) == ["epochs 12, now 20", "seed 0, now 1"]
    assert PLAN.differences(replace(PLAN, n_configs=9, variants=["cross", "self"], environment={})) == []


def test_another_encoder_is_another_study_but_another_modality_is_not():
    assert PLAN.differences(replace(PLAN, encoders={"audio": "other"})) == ["audio encoder logmel, now other"]
    assert PLAN.differences(replace(PLAN, encoders={"audio": "logmel", "text": "hash"})) == []
    assert PLAN.differences(replace(PLAN, encoders={"text": "hash"})) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 3}', json.dumps({"nonsense": 1})])
def test_a_broken_plan_is_told_in_one_line(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UserError, match="cannot be read as one"):
        Plan.read(tmp_path)


IEMOCAP = {"ang": 1103, "hap": 595, "exc": 1041, "sad": 1084, "neu": 1708, "fru": 1849, "sur": 107}


def test_the_random_baseline_scores_what_the_class_counts_of_iemocap_imply():
    """Accuracy and mean recall 1/7; F1 by hand from expected counts: about .155 weighted and .131 macro."""
    utterances = [{"id": f"{c}{i}", "label": c, "group": "s"} for c, n in IEMOCAP.items() for i in range(n)]
    plan = replace(PLAN, classes=list(IEMOCAP), utterances=utterances, folds=[{"test": ["s"]}])
    scores = {name: value.mean for name, value in random_scores(plan, "test").items()}
    assert scores == pytest.approx({"WA": 1 / 7, "UWA": 1 / 7, "WF1": 0.155, "UWF1": 0.131}, abs=0.001)


@pytest.mark.parametrize("damage", [b"junk", b"", None])
def test_damaged_predictions_are_told_in_one_line(tmp_path, damage):
    found = configurations([config(0), epoch(0, 0, 1, 0.5, 0.5, ended=True), closed(0, "complete")])["cross"][0]
    if damage is not None:
        (tmp_path / "predictions").mkdir()
        (tmp_path / "predictions" / "cross-c000-f0-s0.safetensors").write_bytes(damage)
    with pytest.raises(UserError, match="predictions of every reported run are needed"):
        predictions.tested_folds(tmp_path, PLAN, selection(PLAN, [found]).uses)
