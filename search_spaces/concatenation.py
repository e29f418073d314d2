"""The search space of concatenation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.concatenation import ConcatenationConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest(trial: BaseTrial) -> ConcatenationConfig:
    """A concatenation drawn by `trial`."""
    return ConcatenationConfig(
        width=trial.suggest_categorical("width", [32, 64, 128, 256]),
        n_layers=trial.suggest_int("n_layers", 1, 2),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        input_dropout=trial.suggest_float("input_dropout", 0.0, 0.5),
    )
