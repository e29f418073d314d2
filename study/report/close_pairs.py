"""How well a system tells apart two classes that are often confused, and whether another loss changes that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from jaxtyping import Int

from study.corpus.pairs import confused_pairs
from study.record.plan import Plan
from study.record.results import Spread, spread
from study.report.metric_view import MetricView
from study.report.predictions import TestedFold, confusions_by_block, pooled_confusion
from study.report.systems import share_tested
from study.report.t_model import standard_error, t_interval
from study.report.variant_view import ChangeView, PairOfLossView, PairView

Matrix = Int[np.ndarray, "classes classes"]
Pair = tuple[str, str]
# The test folds of the best configuration of each loss, by loss, that of configuration 0 first.
ByLoss = Mapping[str, Sequence[TestedFold]]
NO_LOSSES: ByLoss = {}


def pairs_of(classes: Sequence[str], validated: Sequence[TestedFold], given: Sequence[str] = ()) -> tuple[Pair, ...]:
    """The pairs of classes that are `given`, or known to be confused; without any, the one most confused on validation.

    It is never chosen by test predictions, on which it is then reported.
    """
    if known := confused_pairs(classes, given):
        return known
    matrix = pooled_confusion(validated, len(classes))
    shares = {pair: _confused(matrix, *pair) for pair in combinations(range(len(classes)), 2)}
    first, second = max(shares, key=lambda pair: (not math.isnan(shares[pair]), shares[pair]))
    return ((classes[first], classes[second]),)


def close_pairs(
    plan: Plan, tested: Sequence[TestedFold], pairs: Sequence[Pair], by_loss: ByLoss = NO_LOSSES
) -> Iterator[PairView]:
    """For each pair, the confusion of its classes and their F1 on every test block, and what they are by loss."""
    classes = list(plan.classes)
    pooled = pooled_confusion(tested, len(classes))
    shares = pooled / np.maximum(1, pooled.sum(1, keepdims=True))
    for pair in pairs:
        first, second = (classes.index(name) for name in pair)
        if not pooled[[first, second]].sum():  # neither is in what is tested
            continue
        confused, f1 = _figures(plan, tested, (first, second))
        yield PairView(
            *pair,
            float(shares[first, second]),
            float(shares[second, first]),
            MetricView.of(confused),
            MetricView.of(f1),
            tuple(_of_losses(plan, by_loss, (first, second))),
        )


def _of_losses(plan: Plan, by_loss: ByLoss, pair: tuple[int, int]) -> Iterator[PairOfLossView]:
    """The figures by loss, and their differences, fold by fold, from those of the first loss."""
    found = {loss: _figures(plan, tested, pair) for loss, tested in by_loss.items()}
    usual = plan.terms.losses[0] if plan.terms.losses else ""
    for loss, figures in found.items():
        confused, f1 = figures
        view = PairOfLossView(loss, MetricView.of(confused), MetricView.of(f1))
        if loss != usual and usual in found:
            changes = [_change(plan, now, before) for now, before in zip(figures, found[usual], strict=True)]
            view = replace(view, confused_change=changes[0], f1_change=changes[1])
        yield view


def _figures(plan: Plan, tested: Sequence[TestedFold], pair: tuple[int, int]) -> tuple[Spread, Spread]:
    """Confusion within the pair, and its F1, over the test blocks that have utterances of it, at least one."""
    matrices = confusions_by_block(tested, len(plan.classes)).values()
    held = [matrix for matrix in matrices if matrix[list(pair)].sum()]
    return spread([_confused(matrix, *pair) for matrix in held]), spread([_f1(matrix, *pair) for matrix in held])


def _confused(matrix: Matrix, first: int, second: int) -> float:
    """The share of both classes' utterances that were taken for the other class; nan without any."""
    total = matrix[[first, second]].sum()
    return float((matrix[first, second] + matrix[second, first]) / total) if total else math.nan


def _f1(matrix: Matrix, first: int, second: int) -> float:
    """The mean F1 of both classes, over all utterances; a class neither true nor predicted counts 0."""
    scores = [2 * matrix[n, n] / max(1, matrix[n].sum() + matrix[:, n].sum()) for n in (first, second)]
    return float(np.mean(scores))


def _change(plan: Plan, now: Spread, before: Spread) -> ChangeView | None:
    """The mean difference over test blocks with its 95 % interval; None where they are not the same blocks."""
    if len(now.folds) != len(before.folds):
        return None
    differences = [one - other for one, other in zip(now.folds, before.folds, strict=True)]
    mean = float(np.mean(differences))
    error = standard_error(differences, share_tested(plan))
    if math.isnan(error):
        return ChangeView(mean, None, None)
    interval = t_interval(mean, error, len(differences) - 1)
    return ChangeView(mean, interval.low, interval.high)
