"""The distance of predictions to votes: against SciPy's, over blocks and runs, and on pages."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from study.record.events import FoldRun
from study.report import predictions
from study.report.pages import html_page, markdown_page
from study.report.votes import jensen_shannon, votes_view
from tests.report.toy import full_variant, toy_plan, toy_view

CLASSES = ["calm", "glad", "tense"]


def fold_of(block, ids, shares, seed=1):
    run = FoldRun("cross", 0, 0, seed)
    utterances = tuple({"id": id, "script": "", "speaker": "x"} for id in ids)
    return predictions.TestedFold(run, block, utterances, np.zeros(len(ids), dtype=int), np.array(shares))


def voted_plan(votes, losses=("ce", "soft")):
    """A plan whose first utterances have these votes."""
    plan = toy_plan(CLASSES)
    said = [{**each, "votes": own} for each, own in zip(plan.utterances, votes, strict=False)]
    rest = [{**each, "votes": {}} for each in plan.utterances[len(said) :]]
    return replace(plan, utterances=said + rest, terms=replace(plan.terms, losses=losses))


def test_the_distance_is_scipys():
    rng = np.random.default_rng(0)
    one, other = rng.dirichlet(np.ones(4), 50), rng.dirichlet(np.full(4, 0.1), 50)
    other[:5] = np.eye(4)[[0, 1, 2, 3, 0]]
    expected = [jensenshannon(a, b, base=2) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(jensen_shannon(one, other), expected, atol=1e-9)
    assert jensen_shannon(np.eye(2), np.eye(2)[::-1]).tolist() == [1.0, 1.0]


def test_it_is_the_mean_over_utterances_with_votes_then_over_runs_then_over_blocks():
    plan = voted_plan([{"calm": 2}, {"calm": 1, "tense": 1}, {}])
    ids = [each["id"] for each in plan.utterances[:3]]
    certain, half = [1.0, 0.0, 0.0], [0.5, 0.0, 0.5]
    right = fold_of("a", ids, [certain, half, certain])
    wrong = fold_of("a", ids, [[0.0, 1.0, 0.0]] * 3, seed=2)
    alone = fold_of("b", ids[:1], [certain])
    view = votes_view(plan, [right, wrong, alone], {"ce": [wrong], "soft": [right]})
    assert view.n == 2
    assert view.distance.folds == pytest.approx((0.5, 0.0))
    assert (view.by_loss["ce"].mean, view.by_loss["soft"].mean) == pytest.approx((1.0, 0.0))


def test_without_votes_nothing_is_said():
    plan = voted_plan([{"calm": 2}], losses=())
    fold = fold_of("a", [plan.utterances[0]["id"]], [[1.0, 0.0, 0.0]])
    assert votes_view(plan, [fold], {}) is None
    assert votes_view(voted_plan([{}]), [fold], {}) is None


def test_pages_say_it():
    plan = voted_plan([{"calm": 2}])
    fold = fold_of("a", [plan.utterances[0]["id"]], [[0.0, 0.0, 1.0]])
    variant = full_variant()
    details = replace(variant.details, votes=votes_view(plan, [fold], {"ce": [fold]}))
    for page in (html_page, markdown_page):
        text = page(replace(toy_view(), variants={"cross": replace(variant, details=details)}), {})
        assert "to the annotators" in text
        assert "over the 1 test utterances with votes: 1.000" in text
        assert "The best configuration with each loss: ce 1.000." in text
        assert "to the annotators" not in page(replace(toy_view(), variants={"cross": variant}), {})
