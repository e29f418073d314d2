"""Which systems are compared follows from the rows of the variants."""

from dataclasses import replace

import pytest

from study.record.events import EpochDone, FoldRun, Phase
from study.record.outcome import NestedFigures, Outcome
from study.record.results import ConfigResult, FoldResult, spread
from study.report.comparisons import as_view, comparisons, pairs
from study.report.systems import share_tested, systems_of
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


def test_a_tuned_variant_meets_its_published_setting_unless_that_is_what_was_selected():
    tuned = outcome("cross", 0.5)
    tuned = replace(tuned, published=tuned.figures, config=ConfigResult("cross", 3, {}))
    assert pairs({"cross": tuned}, "UWA") == [("cross", "cross published")]
    assert pairs({"cross": replace(tuned, config=ConfigResult("cross", 0, {}))}, "UWA") == []
    assert pairs({"cross": replace(tuned, published=None)}, "UWA") == []
    for choices, expected in (({"a": 0, "b": 2}, 1), ({"a": 0, "b": 0}, 0)):
        nested = NestedFigures(choices, tuned.figures, {})
        assert len(pairs({"cross": replace(tuned, nested=nested)}, "UWA")) == expected


def searched(name, n_configs, last=Phase.COMPLETE):
    """Configurations trained on three folds; test scores of one differ by .01 from those of the next."""
    found = []
    for number in range(n_configs):
        folds = {}
        for fold in range(3):
            scores = dict.fromkeys(METRICS, 0.3 + 0.01 * number + 0.001 * fold)
            done = EpochDone(name, number, fold, 0, 1, 1.0, scores, scores, 1.0, True)
            folds[fold] = FoldResult(FoldRun(name, number, fold), [done])
        outcome = last if number == n_configs - 1 else Phase.COMPLETE
        found.append(ConfigResult(name, number, {}, folds=folds, outcome=outcome))
    return found


@pytest.fixture
def plan():
    return toy_plan(variants=["text", "self", "cross"])


def compared(plan, scores, n_configs=16, last=Phase.COMPLETE):
    found = {name: outcome(name, 0.5, test) for name, test in scores.items()}
    return comparisons(plan, found, systems_of(plan, found, {name: searched(name, n_configs, last) for name in found}))


SCORES = {"text": (0.40, 0.50, 0.61), "self": (0.50, 0.62, 0.70), "cross": (0.7, 0.72, 0.75)}


def test_p_is_adjusted_over_all_comparisons_of_a_metric(plan):
    by_metric = compared(plan, SCORES)
    assert list(by_metric) == ["UWA", "WA", "WF1", "UWF1"]
    for found in by_metric.values():
        assert [(each.first, each.second) for each in found] == [("self", "text"), ("cross", "text"), ("self", "cross")]
        smallest = min(each.test.p for each in found)
        assert min(each.p_holm for each in found) == pytest.approx(min(1.0, 3 * smallest))


def test_both_searches_add_their_luck(plan):
    one, *_ = compared(plan, SCORES)["UWA"]
    alone, *_ = compared(plan, {name: SCORES[name] for name in ("text", "self")})["UWA"]
    # Of 16 configurations .01 apart, the best of a resample is number 15, 14, 13, ... with chances .64, .23, .08, ...
    chances = [(1 - i / 16) ** 16 - (1 - (i + 1) / 16) ** 16 for i in range(16)]
    mean = sum(0.01 * i * chance for i, chance in enumerate(chances))
    expected = sum((0.01 * i - mean) ** 2 * chance for i, chance in enumerate(chances))
    assert alone.luck == one.luck
    assert one.luck == pytest.approx(2 * expected, rel=0.3)  # two times 200 draws


@pytest.mark.parametrize(("n_configs", "last", "known"), [(15, Phase.COMPLETE, 15), (16, Phase.OPEN, 15)])
def test_fewer_than_sixteen_searched_configurations_decide_nothing(plan, n_configs, last, known):
    for found in compared(plan, SCORES, n_configs, last).values():
        for each in found:
            assert (each.too_few, each.p_holm, each.smallest) == (known, None, None)
            view = as_view(each)
            assert (view.p, view.worse, view.equal, view.better) == (None,) * 4
            assert view.low < view.mean < view.high


def test_a_search_with_one_complete_configuration_decides_nothing(plan):
    found = {name: outcome(name, 0.5, test) for name, test in SCORES.items()}
    stopped = {
        name: [config if not config.number else replace(config, outcome=Phase.STOPPED) for config in searched(name, 20)]
        for name in found
    }
    decisions = {as_view(each).decision for each in comparisons(plan, found, systems_of(plan, found, stopped))["UWA"]}
    assert decisions == {"too few complete"}


def test_without_a_pair_there_is_nothing(plan):
    assert compared(plan, {"cross": SCORES["cross"]}) == {name: [] for name in METRICS}


def test_a_single_fold_leaves_the_probabilities_undefined(plan):
    one = replace(plan, folds=plan.folds[:1])
    (found,) = compared(one, {"text": (0.4,), "cross": (0.5,)})["UWA"]
    view = as_view(found)
    assert (view.worse, view.equal, view.better, view.p) == (None, None, None, 1.0)
    assert view.decision == "no spread"


def test_the_share_that_is_tested_is_that_of_the_folds(plan):
    assert share_tested(plan) == 1  # of three sessions one tests, one validates and one trains
    assert share_tested(toy_plan(sessions=5)) == pytest.approx(1 / 3)
