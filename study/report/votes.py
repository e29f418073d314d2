"""How far predictions are from what the annotators chose, where a study keeps their votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from jaxtyping import Float

from study.record.plan import Plan
from study.record.results import spread
from study.report.close_pairs import ByLoss
from study.report.formats import format_score, format_spread
from study.report.metric_view import MetricView
from study.report.predictions import TestedFold
from study.report.variant_view import VotesView


def votes_view(plan: Plan, folds: Sequence[TestedFold], by_loss: ByLoss) -> VotesView | None:
    """The distances of a variant with these test predictions; None where the study keeps no votes of what it tests."""
    votes = plan.votes() or {}
    tested = {each["id"] for fold in folds for each in fold.utterances}
    if not tested & votes.keys():
        return None
    found = {loss: _over_blocks(own, votes) for loss, own in by_loss.items()}
    return VotesView(len(tested & votes.keys()), _over_blocks(folds, votes), found)


def votes_sentence(view: VotesView) -> str:
    """The distance in words, and that of each loss that the search chose from."""
    losses = ", ".join(f"{loss} {format_score(each.mean)}" for loss, each in view.by_loss.items())
    beside = f" The best configuration with each loss: {losses}." if losses else ""
    return (
        f"Jensen-Shannon distance of the probabilities to the annotators' votes, from 0 (equal) to 1 (apart), over the "
        f"{view.n:,} test utterances with votes: {format_spread(view.distance)}.{beside}"
    )


def jensen_shannon(
    one: Float[np.ndarray, "utterances classes"], other: Float[np.ndarray, "utterances classes"]
) -> Float[np.ndarray, " utterances"]:
    """The root of the Jensen-Shannon divergence in bits: from 0 to 1, and a metric.

    Source: Endres, Schindelin, "A new metric for probability distributions", IEEE Transactions on Information Theory,
    2003.
    """
    middle = (one + other) / 2
    divergence = (_relative_entropy(one, middle) + _relative_entropy(other, middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def _relative_entropy(
    one: Float[np.ndarray, "utterances classes"], other: Float[np.ndarray, "utterances classes"]
) -> Float[np.ndarray, " utterances"]:
    """In bits; a share of 0 adds nothing."""
    there = one > 0
    ratio = np.divide(one, other, out=np.ones_like(one), where=there)
    return np.asarray((one * np.log2(ratio)).sum(1))


def _over_blocks(folds: Sequence[TestedFold], votes: Mapping[str, Sequence[float]]) -> MetricView:
    """The mean over a block's utterances that have votes, and over its runs; over the blocks that have such."""
    blocks: dict[str, list[float]] = {}
    for fold in folds:
        places = [place for place, each in enumerate(fold.utterances) if each["id"] in votes]
        if places:
            chosen = np.array([votes[fold.utterances[place]["id"]] for place in places], dtype=np.float64)
            shares = fold.probabilities[places].astype(np.float64)
            blocks.setdefault(fold.block, []).append(float(jensen_shannon(shares, chosen).mean()))
    return MetricView.of(spread([fmean(own) for own in blocks.values()]))
