"""The search spaces of fusions by transformers: crossmodal ones (MulT) and attention bottlenecks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.bottleneck import BottleneckConfig
from models.crossmodal import CrossmodalConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest_crossmodal(trial: BaseTrial) -> CrossmodalConfig:
    """A MulT drawn by `trial`, of about the sizes that Mao et al. ("M-SENA", ACL 2022) tune over."""
    return CrossmodalConfig(
        n_heads=trial.suggest_categorical("n_heads", [4, 5, 8, 10]),
        width_per_head=trial.suggest_categorical("width_per_head", [4, 6, 8]),
        n_layers=trial.suggest_categorical("n_layers", [2, 4, 6]),
        n_self_layers=trial.suggest_int("n_self_layers", 1, 3),
        **_shared(trial),
    )


def suggest_bottleneck(trial: BaseTrial) -> BottleneckConfig:
    """A fusion by attention bottlenecks drawn by `trial`."""
    return BottleneckConfig(
        n_heads=trial.suggest_categorical("n_heads", [2, 4, 8]),
        width_per_head=trial.suggest_categorical("width_per_head", [8, 16, 24]),
        n_layers=trial.suggest_int("n_layers", 0, 2),
        n_fusion_layers=trial.suggest_int("n_fusion_layers", 2, 4),
        n_tokens=trial.suggest_categorical("n_tokens", [2, 4, 8]),
        **_shared(trial),
    )


def _shared(trial: BaseTrial) -> dict[str, Any]:
    return {
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "input_dropout": trial.suggest_float("input_dropout", 0.0, 0.5),
        "context": trial.suggest_categorical("context", ["gru", "linear"]),
        "time_pooling": trial.suggest_categorical("time_pooling", ["mean", "max", "attention"]),
    }
