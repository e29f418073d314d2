"""What the stored predictions of a variant's reported runs add to its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance

import numpy as np

from study.protocols import PROTOCOLS
from study.record.plan import Plan
from study.record.results import Figures
from study.record.variance_sources import Source
from study.report.close_pairs import NO_LOSSES, ByLoss, close_pairs, pairs_of
from study.report.predictions import TestedFold, pooled_confusion
from study.report.variant_view import DetailsView, ScriptView
from study.report.votes import votes_view
from study.training.metrics import METRICS, confusion_matrix, score_confusion


def details(
    plan: Plan,
    figures: Figures,
    folds: Sequence[TestedFold],
    validated: Sequence[TestedFold],
    by_loss: ByLoss = NO_LOSSES,
) -> DetailsView:
    """The details of a variant with these `figures`, tested as `folds` and `validated` by the same runs."""
    return DetailsView(
        optimism={name: figures["validation"][name].mean - figures["test"][name].mean for name in METRICS},
        recalls=class_recalls(folds, plan.classes),
        pairs=tuple(close_pairs(plan, folds, pairs_of(plan.classes, validated, plan.terms.pairs), by_loss)),
        scripts=metrics_by_script(folds, len(plan.classes)),
        words_seen=words_seen(plan),
        votes=votes_view(plan, folds, by_loss),
    )


def speaker_source(folds: Sequence[TestedFold]) -> list[Source]:
    """How much the accuracy differs between speakers, without what few utterances of each make it differ.

    The variance of the speakers' accuracies, each the mean over runs, minus the mean binomial variance of one; nothing
    for a single speaker.
    """
    right: dict[str, list[float]] = {}
    ids: dict[str, set[str]] = {}
    for fold in folds:
        for utterance, hit in zip(fold.utterances, fold.predictions == fold.labels, strict=True):
            right.setdefault(utterance["speaker"], []).append(float(hit))
            ids.setdefault(utterance["speaker"], set()).add(utterance["id"])
    if len(right) < 2:
        return []
    means = {speaker: fmean(hits) for speaker, hits in right.items()}
    chance = fmean(mean * (1 - mean) / len(ids[speaker]) for speaker, mean in means.items())
    return [Source("speaker (accuracy)", math.sqrt(max(0.0, variance(means.values()) - chance)), len(means))]


def class_recalls(folds: Sequence[TestedFold], classes: Sequence[str]) -> dict[str, float]:
    """The share of each class's utterances that were recognised, over all folds and seeds."""
    confusion = pooled_confusion(folds, len(classes))
    return {
        name: float(row[number] / row.sum())
        for number, (name, row) in enumerate(zip(classes, confusion, strict=True))
        if row.sum()
    }


def metrics_by_script(folds: Sequence[TestedFold], n_classes: int) -> dict[str, ScriptView]:
    """The four metrics of scripted and of improvised utterances apart, over all folds and seeds.

    Scripts are shared by sessions, so scripted words of the test set are known from training.
    """
    kinds = sorted({each["script"] for fold in folds for each in fold.utterances if each["script"]})
    return {kind: _of_script(folds, kind, n_classes) for kind in kinds}


def words_seen(plan: Plan) -> float | None:
    """The share of test utterances whose words occur in the training part of their fold; None without words."""
    seen = total = 0
    for division in PROTOCOLS[plan.terms.protocol].divisions(plan):
        known = set(_words(plan, division["training"]))
        tested = _words(plan, division["test"])
        seen += sum(words in known for words in tested)
        total += len(tested)
    return seen / total if total else None


def _of_script(folds: Sequence[TestedFold], kind: str, n_classes: int) -> ScriptView:
    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    for fold in folds:
        chosen = np.array([utterance["script"] == kind for utterance in fold.utterances])
        confusion += confusion_matrix(fold.labels[chosen], fold.predictions[chosen], n_classes)
    scores: Mapping[str, float] = {name: float(value) for name, value in score_confusion(confusion).items()}
    ids = {each["id"] for fold in folds for each in fold.utterances if each["script"] == kind}
    return ScriptView(len(ids), scores)


def _words(plan: Plan, groups: Sequence[str]) -> list[str]:
    """The keys of the words of all utterances of `groups` that have any."""
    return [each["words"] for each in plan.utterances if each["group"] in groups and each["words"]]
