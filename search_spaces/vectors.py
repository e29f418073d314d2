"""The search spaces of fusions of one vector per modality: gated, low-rank and tensor fusion.

Rank, widths and dropout are about those that a large benchmark tunes over: Mao et al., "M-SENA: An integrated
platform for multimodal sentiment analysis", ACL 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.low_rank import LowRankConfig
from models.tensor import TensorConfig
from models.utterance_vectors import VectorConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest_gated(trial: BaseTrial) -> VectorConfig:
    """A gated fusion drawn by `trial`."""
    return VectorConfig(width=trial.suggest_categorical("width", [32, 64, 128, 256]), **_shared(trial))


def suggest_low_rank(trial: BaseTrial) -> LowRankConfig:
    """A low-rank fusion drawn by `trial`."""
    return LowRankConfig(
        width=trial.suggest_categorical("width", [32, 64, 128, 256]),
        rank=trial.suggest_int("rank", 3, 6),
        **_shared(trial),
    )


def suggest_tensor(trial: BaseTrial) -> TensorConfig:
    """A tensor fusion drawn by `trial`. Its vectors are narrow: their product is as wide as their widths multiplied."""
    return TensorConfig(
        width=trial.suggest_categorical("width", [16, 32, 64]),
        n_hidden=trial.suggest_categorical("n_hidden", [64, 128]),
        **_shared(trial),
    )


def _shared(trial: BaseTrial) -> dict[str, Any]:
    return {
        "dropout": trial.suggest_float("dropout", 0.2, 0.5),
        "input_dropout": trial.suggest_float("input_dropout", 0.0, 0.5),
        "context": trial.suggest_categorical("context", ["gru", "linear"]),
        "time_pooling": trial.suggest_categorical("time_pooling", ["mean", "max", "attention"]),
    }
