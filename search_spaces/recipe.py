"""How a model is trained: what every variant shares, and how it may vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # workers unpack recipes without importing the search library
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class Recipe:
    """The training recipe; the defaults are the published setting.

    Source: Rajan et al., ICASSP 2022: Adam at 1e-3, batches of 32, unweighted cross-entropy, a stop after 10
    epochs without better validation. Two departures: their rate falls when the *validation* loss stalls,
    which would let held-out sessions steer training, so here it warms up and then falls along a half cosine
    whatever the scores say; and gradients are clipped. `frame_rate` is the rate of the audio frames where a study
    searches it, empty where it has one.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 32
    patience: int = 10
    gradient_norm: float = 5.0
    warmup_epochs: float = 1.0
    frame_rate: str = ""


def suggest(trial: BaseTrial, frame_rates: Sequence[str] = ()) -> Recipe:
    """A recipe drawn by `trial`, at one of `frame_rates` if there are any.

    Patience and clipping stay as published: they are stopping and safety rules.
    """
    return Recipe(
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        weight_decay=trial.suggest_categorical("weight_decay", [0.0, 1e-4, 1e-3, 1e-2, 1e-1]),
        batch_size=trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
        frame_rate=trial.suggest_categorical("frame_rate", list(frame_rates)) if frame_rates else "",
    )
