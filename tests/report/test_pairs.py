"""Which systems are compared follows from the rows of the variants."""

from dataclasses import replace

import numpy as np
import pytest

from study.record.events import FoldRun
from study.record.outcome import Outcome
from study.record.results import ConfigResult, spread
from study.report import predictions
from study.report.comparisons import as_view, comparisons, conclusion, pairs, share_tested
from study.training.metrics import METRICS
from study.variants import VARIANTS
from tests.report.toy import toy_plan


def outcome(name, validation, test=(0.4, 0.5, 0.6)):
    """An outcome with one validation score, and these test scores on the folds."""
    figures = {
        "validation": dict.fromkeys(METRICS, spread([validation] * 3)),
        "test": dict.fromkeys(METRICS, spread(test)),
    }
    return Outcome(ConfigResult(name, 0, {}), figures, None, ())


def outcomes(**validation):
    return {name.replace("_", "-"): outcome(name, score) for name, score in validation.items()}


def test_every_fusion_meets_the_best_baseline_by_validation_and_then_its_own():
    found = outcomes(audio=0.3, text=0.5, mdre=0.4, self=0.6, cross=0.7, self_nosp=0.2, cross_cls=0.2)
    assert pairs(found, "UWA") == [
        ("self", "text"), ("cross", "text"), ("self", "cross"), ("self-nosp", "self"), ("cross-cls", "cross"),
    ]  # fmt: skip
    found["audio"] = outcome("audio", 0.9)
    assert pairs(found, "UWA")[:2] == [("self", "audio"), ("cross", "audio")]


def test_the_test_scores_of_baselines_do_not_decide_which_is_the_best():
    found = {**outcomes(cross=0.5, text=0.5), "audio": outcome("audio", 0.4, test=(0.9, 0.9, 0.9))}
    assert pairs(found, "UWA") == [("cross", "text")]


def test_what_is_not_in_the_study_is_not_compared():
    assert pairs(outcomes(cross=0.5), "UWA") == []
    assert pairs(outcomes(self=0.5, self_cls=0.4), "UWA") == [("self-cls", "self")]
    assert pairs(outcomes(audio=0.5, text=0.4), "UWA") == []


def test_a_pair_that_two_rules_ask_for_is_compared_once(monkeypatch):
    row = replace(VARIANTS["cross"], compared_with=("text", "self"))
    monkeypatch.setitem(VARIANTS, "mine", row)
    assert pairs(outcomes(text=0.5, self=0.4, mine=0.3), "UWA") == [
        ("self", "text"), ("mine", "text"), ("mine", "self"),
    ]  # fmt: skip


def predicted(plan, variant, seed):
    """Random test predictions of every fold."""
    rng = np.random.default_rng(seed)
    found = []
    for number, fold in enumerate(plan.folds):
        own = tuple(each for each in plan.utterances if each["group"] in fold["test"])
        labels = np.array([plan.classes.index(each["label"]) for each in own])
        found.append(predictions.TestedFold(FoldRun(variant, 0, number), "b", own, labels, rng.random((len(own), 3))))
    return found


@pytest.fixture
def plan():
    return toy_plan(variants=["text", "self", "cross"])


def compared(plan, scores):
    found = {name: outcome(name, 0.5, test) for name, test in scores.items()}
    return comparisons(plan, found, {name: predicted(plan, name, seed) for seed, name in enumerate(found)})


SCORES = {"text": (0.40, 0.50, 0.61), "self": (0.50, 0.62, 0.70), "cross": (0.7, 0.72, 0.75)}


def test_p_is_adjusted_over_all_comparisons(plan):
    found = compared(plan, SCORES)
    assert [(each.first, each.second) for each in found] == [("self", "text"), ("cross", "text"), ("self", "cross")]
    smallest = min(each.test.p for each in found)
    assert min(each.p_holm for each in found) == pytest.approx(min(1.0, 3 * smallest))


def test_the_sentences_are_those_of_the_comparisons_with_a_word_on_small_tests(plan):
    found = compared(plan, SCORES)
    sentences = conclusion(found, plan)
    assert [f"{as_view(each).sentence}." for each in found] == list(sentences[:-1])
    assert sentences[-1].startswith("With 12 test utterances per fold")
    large = replace(plan, corpus={**plan.corpus, "groups": dict.fromkeys(plan.corpus["groups"], 1000)})
    assert len(conclusion(found, large)) == len(found)
    assert conclusion([], plan) == ()


def test_a_single_speaker_leaves_the_interval_undefined():
    plan = toy_plan(speakers=1, variants=["text", "cross"])
    alone = replace(plan, utterances=[{**each, "speaker": "X"} for each in plan.utterances])
    (found,) = compared(alone, {name: SCORES[name] for name in ("text", "cross")})
    view = as_view(found)
    assert (view.low, view.high) == (None, None)
    assert view.p is not None


def test_a_single_fold_leaves_the_probabilities_undefined(plan):
    one = replace(plan, folds=plan.folds[:1])
    (found,) = compared(one, {"text": (0.4,), "cross": (0.5,)})
    view = as_view(found)
    assert (view.worse, view.equal, view.better, view.p) == (None, None, None, 1.0)


def test_the_share_that_is_tested_is_that_of_the_folds(plan):
    assert share_tested(plan) == 1  # of three sessions one tests, one validates and one trains
    assert share_tested(toy_plan(sessions=5)) == pytest.approx(1 / 3)
