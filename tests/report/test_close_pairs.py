"""Classes that are often confused: which ones, by validation, and whether a loss changes it."""

from dataclasses import replace

import numpy as np
import pytest

from study.record.events import FoldRun
from study.record.results import spread
from study.report import predictions
from study.report.charts.close_pairs import close_pairs as chart
from study.report.close_pairs import close_pairs, pairs_of
from study.report.metric_view import MetricView
from study.report.pages import html_page
from study.report.variant_view import PairOfLossView
from tests.report.toy import full_variant, toy_plan, toy_view

CLASSES = ["calm", "glad", "tense"]


def fold_of(block, labels, predicted, n_classes=3):
    utterances = tuple({"id": f"{block}{n}", "script": "", "speaker": "x"} for n in range(len(labels)))
    return predictions.TestedFold(
        FoldRun("cross", 0, 0), block, utterances, np.array(labels), np.eye(n_classes)[predicted]
    )


def test_known_pairs_come_first_and_else_the_one_that_validation_confuses_most():
    validated = [fold_of("a", [0, 0, 1, 2, 2], [0, 2, 1, 0, 1]), fold_of("b", [0, 1], [1, 1])]
    assert pairs_of(CLASSES, validated) == (("calm", "tense"),)
    known = ["angry", "happy", "excited", "frustrated"]
    assert pairs_of(known, validated) == (("angry", "frustrated"), ("happy", "excited"))
    assert pairs_of(["angry", "happy", "frustrated"], validated) == (("angry", "frustrated"),)
    assert pairs_of(known, validated, ["happy/angry"]) == (("happy", "angry"),)


def test_a_loss_is_compared_with_the_first_one_block_by_block():
    plan = toy_plan(CLASSES)
    plan = replace(plan, terms=replace(plan.terms, losses=("ce", "pairs")))
    usual = [fold_of(block, [0, 0, 2, 2], [0, 2, 0, 2]) for block in "abc"]
    wrong = ([0, 0, 2, 2], [0, 0, 0, 2], [0, 2, 0, 2])
    other = [fold_of(block, [0, 0, 2, 2], own) for block, own in zip("abc", wrong, strict=True)]
    (pair,) = close_pairs(plan, usual, [("calm", "tense")], {"ce": usual, "pairs": other})
    first, second = pair.by_loss
    assert (first.loss, first.confused_change, second.loss) == ("ce", None, "pairs")
    assert pair.confused.folds == (0.5, 0.5, 0.5)
    assert second.confused.folds == (0.0, 0.25, 0.5)
    change = second.confused_change
    assert change.mean == pytest.approx(-0.25)
    # Student's t with two degrees of freedom, and half of the training size tested: 36 utterances in 3 sessions.
    half = 4.30265 * np.sqrt(0.0625 * (1 / 3 + 1))
    assert (change.low, change.high) == pytest.approx((-0.25 - half, -0.25 + half), abs=1e-4)


def test_equal_changes_on_every_fold_have_no_interval_and_untested_pairs_no_row():
    plan = toy_plan(CLASSES)
    plan = replace(plan, terms=replace(plan.terms, losses=("ce", "pairs")))
    usual, same = ([fold_of(block, [0, 2], own) for block in "abc"] for own in ([2, 0], [0, 2]))
    (pair,) = close_pairs(plan, usual, [("calm", "tense")], {"ce": usual, "pairs": same})
    assert (pair.by_loss[1].f1_change.mean, pair.by_loss[1].f1_change.low) == (1.0, None)
    assert list(close_pairs(plan, [fold_of("a", [1], [1])], [("calm", "tense")])) == []


def test_the_picture_has_a_row_for_each_system_and_loss_and_none_without_pairs():
    score = MetricView.of(spread([0.2, 0.4]))
    variant = full_variant()
    (pair,) = variant.details.pairs
    by_loss = tuple(PairOfLossView(loss, score, score) for loss in ("ce", "balanced"))
    shown = replace(variant, details=replace(variant.details, pairs=(replace(pair, by_loss=by_loss),)))
    figure = chart(replace(toy_view(), variants={"cross": shown}))
    assert len(figure.axes) == 2
    searched, plain = (
        html_page(replace(toy_view(), variants={"cross": each}), {"pairs": "<svg/>"}) for each in (shown, variant)
    )
    for about_losses in (
        "Below a system, the configuration with each loss",
        "below, the configuration\nwith each loss",
    ):
        assert about_losses in searched
        assert about_losses not in plain
    # Without losses there are no differences to show.
    heading, _, cells = plain[plain.index("<h3>Close pairs") :].partition("</tbody>")[0].partition("<tbody>")
    assert "difference" not in heading
    assert cells.count("<td") == heading.count("<th>") + heading.count("<th ") == 5
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["cross", "loss ce", "loss balanced"]
    assert chart(replace(toy_view(), variants={"cross": replace(variant, details=None)})) is None


def test_a_loss_that_changes_nothing_is_hardly_ever_said_to_change_a_pair():
    """An A/A run: both losses confuse the pair equally often, block by block, and are drawn anew."""
    plan, rng, wrong = toy_plan(CLASSES, sessions=5, utterances=60), np.random.default_rng(0), 0
    plan = replace(plan, terms=replace(plan.terms, losses=("ce", "pairs")))
    labels = [0, 2] * 30
    for _ in range(60):
        confused = np.clip(0.3 + 0.1 * rng.normal(size=5), 0, 1)
        usual, other = (
            [
                fold_of(block, labels, np.where(rng.random(60) < share, 2 - np.array(labels), labels))
                for block, share in zip("abcde", confused, strict=True)
            ]
            for _ in range(2)
        )
        (pair,) = close_pairs(plan, usual, [("calm", "tense")], {"ce": usual, "pairs": other})
        change = pair.by_loss[1].confused_change
        wrong += not change.low <= 0 <= change.high
    assert wrong <= 3  # 5 % of 60
