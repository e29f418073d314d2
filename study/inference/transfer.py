"""An evaluation on another corpus as a row of the study's report."""

from __future__ import annotations

from collections.abc import Mapping

from study.inference.evaluate import Evaluation, Interval, Labelled
from study.inference.model_config import ModelConfig
from study.inference.trained_on import Overlap
from study.record.transfer import Scored, Transfer


def transfer_of(config: ModelConfig, own: Labelled, found: Evaluation, overlap: Overlap | None) -> Transfer:
    """What is kept of an evaluation of a model."""
    return Transfer(
        search=config.study.get("search", config.variant),
        weights=config.weights,
        ledger=config.study.get("ledger", ""),
        corpus=own.corpus.name,
        digest=own.corpus.digest(),
        n_all=own.n_all,
        n_utterances=found.n_utterances,
        n_equal=overlap.n_equal if overlap else None,
        classes=found.classes,
        unit=found.unit,
        n_units=found.n_units,
        scores=_scored(found.scores),
        shared=_scored(found.shared),
    )


def _scored(scores: Mapping[str, Interval]) -> dict[str, Scored]:
    return {metric: (score.value, score.low, score.high) for metric, score in scores.items()}
