"""The training recipe that all variants share, and its search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from search_spaces.losses import LOSS, parts_of
from search_spaces.modality_dropout import MODALITY_DROPOUT

if TYPE_CHECKING:  # workers unpack recipes without importing the search library
    from optuna.trial import BaseTrial

# How the parameter that chooses a modality's features is named, after the modality.
FEATURES = "_features"


@dataclass(frozen=True)
class Recipe:
    """The training recipe; the defaults are the published setting.

    Source: Rajan et al., ICASSP 2022: Adam at 1e-3, batches of 32, unweighted cross-entropy, a stop after 10
    epochs without better validation. Two departures: their learning rate falls when the *validation* loss stalls,
    which would let held-out sessions influence training, so here it warms up and then falls along a half cosine
    whatever the scores are; and gradients are clipped. `features` names the features of each modality
    that has several to choose from. `loss` names the parts of the loss; each of the fields below it is read by one
    part alone, and has no effect without it. `modality_dropout` is the probability that an utterance loses one of its
    modalities in a training epoch.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 32
    patience: int = 10
    gradient_norm: float = 5.0
    warmup_epochs: float = 1.0
    features: Mapping[str, str] = field(default_factory=dict)
    loss: str = "ce"
    logit_tau: float = 1.0
    focal_gamma: float = 2.0
    label_smoothing: float = 0.1
    soft_labels: float = 0.5
    pair_smoothing: float = 0.2
    superclass_weight: float = 0.5
    modality_dropout: float = 0.0


def suggest(trial: BaseTrial, choices: Mapping[str, Sequence[str]] | None = None) -> Recipe:
    """A recipe drawn by `trial`; `choices` are the labels of each modality's features, where there are several.

    Under the key "loss" they are the losses to choose from; a number is drawn for each part of the loss that reads
    one. Under "modality_dropout" they are probabilities. Patience and clipping are not searched: they are rules for
    stopping and safety.
    """
    given = dict(choices or {})
    losses, dropouts = given.pop(LOSS, ()), given.pop(MODALITY_DROPOUT, ())
    return Recipe(
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        weight_decay=trial.suggest_categorical("weight_decay", [0.0, 1e-4, 1e-3, 1e-2, 1e-1]),
        batch_size=trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
        features={
            modality: trial.suggest_categorical(modality + FEATURES, list(labels)) for modality, labels in given.items()
        },
        **(_drawn_loss(trial, losses) if losses else {}),
        **(_drawn_dropout(trial, dropouts) if dropouts else {}),
    )


def _drawn_dropout(trial: BaseTrial, dropouts: Sequence[str]) -> dict[str, Any]:
    """The field of a recipe with one of `dropouts`."""
    return {MODALITY_DROPOUT: float(trial.suggest_categorical(MODALITY_DROPOUT, list(dropouts)))}


def _drawn_loss(trial: BaseTrial, losses: Sequence[str]) -> dict[str, Any]:
    """The fields of a recipe with one of `losses`."""
    loss = trial.suggest_categorical(LOSS, list(losses))
    numbers = [part.number for part in parts_of([loss]) if part.number]
    return {LOSS: loss, **{name: trial.suggest_float(name, low, high) for name, low, high in numbers}}


def features_in(params: Mapping[str, Any]) -> dict[str, str]:
    """The choice of features, by modality, among a configuration's parameters."""
    return {name.removesuffix(FEATURES): label for name, label in params.items() if name.endswith(FEATURES)}


def choices_in(params: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The choices for which `suggest` replays a configuration's parameters: those that it has made."""
    made = {name: (label,) for name, label in features_in(params).items()}
    return {**made, **{name: (params[name],) for name in (LOSS, MODALITY_DROPOUT) if name in params}}
