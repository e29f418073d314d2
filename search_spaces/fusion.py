"""The search space of attention fusions, shared by self- and cross-attention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.fusion import FusionConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest(trial: BaseTrial) -> FusionConfig:
    """A fusion drawn by `trial`. The width is the product of two parameters, so every draw is valid.

    Pooling across streams is not searched: the ablations compare it.
    """
    return FusionConfig(
        n_heads=trial.suggest_categorical("n_heads", [1, 2, 4, 6, 8]),
        width_per_head=trial.suggest_categorical("width_per_head", [8, 12, 16, 20, 24]),
        n_layers=trial.suggest_int("n_layers", 1, 2),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        input_dropout=trial.suggest_float("input_dropout", 0.0, 0.5),
        context=trial.suggest_categorical("context", ["gru", "linear"]),
        time_pooling=trial.suggest_categorical("time_pooling", ["mean", "max", "attention"]),
    )


def suggest_without_pooling(trial: BaseTrial) -> FusionConfig:
    """A fusion drawn by `trial` that concatenates the streams' vectors: the ablation of pooling across streams."""
    return replace(suggest(trial), stream_pooling="concatenate")
