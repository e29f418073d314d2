"""The space of attention fusions: self and cross vary in the same things."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.fusion import FusionConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest(trial: BaseTrial) -> FusionConfig:
    """A fusion drawn by `trial`; heads times width per head is the width, so every draw can be built.

    Pooling across streams is not searched: it is what the ablations differ in.
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
    """The same, with the streams' vectors concatenated: the ablation of pooling across streams."""
    return replace(suggest(trial), stream_pooling="concatenate")
