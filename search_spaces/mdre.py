"""The search space of MDRE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.mdre import MDREConfig

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest(trial: BaseTrial) -> MDREConfig:
    """An MDRE drawn by `trial`."""
    return MDREConfig(
        n_units=trial.suggest_categorical("n_units", [50, 100, 200]),
        n_layers=trial.suggest_int("n_layers", 1, 2),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        input_dropout=trial.suggest_float("input_dropout", 0.0, 0.5),
    )
