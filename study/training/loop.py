"""Trains one configuration on one fold, an epoch at a time."""

import math
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.build import build
from models.layer_mix import learned_weights
from search_spaces.recipe import Recipe
from study.seeding import derived_seed
from study.training.batches import FoldData, Part
from study.training.losses import Criterion, criterion_of
from study.training.metrics import score
from study.training.optimizer import AdamW

# Frames of a batch in evaluation: what fits a processor's cache, and what keeps a GPU busy between two calls.
EVALUATION_FRAMES = {"cpu": 8192, "cuda": 65_000}


class Diverged(Exception):
    """The training loss or a prediction is not a finite number."""


@dataclass(frozen=True)
class Epoch:
    """The result of one epoch: mean training loss, and the four metrics on validation and test; it took `seconds`.

    `layer_weights` are those that the model has learned, by stream and band; empty where it mixes no layers.
    """

    number: int
    loss: float
    validation: dict[str, float]
    test: dict[str, float]
    seconds: float
    layer_weights: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of the held-out utterances after an epoch, on the CPU."""

    validation: Float[Tensor, "utterances classes"]
    test: Float[Tensor, "utterances classes"]


@dataclass
class Training:
    """The state of a fold run: the model, its optimiser, and the epochs trained so far with their predictions."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[Epoch] = field(default_factory=list)
    predictions: list[Predictions] = field(default_factory=list)

    def finished(self, epochs: int, patience: int, metric: str) -> bool:
        """Whether all epochs are trained, or the last `patience` epochs brought no better validation score."""
        scores = [epoch.validation[metric] for epoch in self.history]
        return len(scores) >= epochs or (bool(scores) and len(scores) - 1 - scores.index(max(scores)) >= patience)


def begin(model: Any, config: Any, recipe: Recipe, data: FoldData, seed: int) -> Training:
    """A fold run before its first epoch. `model(config, dims, n_classes)` builds the module."""
    torch.manual_seed(derived_seed(seed, "weights"))
    missing = learned_missing(recipe, data.dims, data.missing)
    module = build(model, config, data.dims, data.bands, data.n_classes, missing).to(data.training.device)
    return Training(
        module,
        AdamW(module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True),
    )


def learned_missing(recipe: Recipe, streams: Collection[str], lacking: Collection[str]) -> tuple[str, ...]:
    """Of a model's streams, those for whose lack it learns a vector: all by modality dropout, else what data lacks."""
    drops = recipe.modality_dropout > 0 and len(streams) > 1
    return tuple(name for name in streams if drops or name in lacking)


def train_fold(
    training: Training,
    data: FoldData,
    recipe: Recipe,
    *,
    epochs: int,
    metric: str,
    seed: int,
    last_epoch: int | None = None,
) -> Iterator[Epoch]:
    """Train the remaining epochs of a fold run and yield each; a caller that stops iterating stops the training.

    The learning rate follows a schedule over `epochs` that is fixed before the first step and reads no score; training
    ends after `last_epoch` of them, all if not given, or when `metric` on validation has not improved for the recipe's
    patience. Test scores are recorded and not read. The random numbers of an epoch depend only on `seed` and the epoch,
    so a run that was paused gives the results of an uninterrupted one.

    Raises:
        Diverged: the training loss or a prediction is not finite.
    """
    criterion = criterion_of(recipe, data)
    while not training.finished(last_epoch or epochs, recipe.patience, metric):
        started = time.perf_counter()
        number = len(training.history) + 1
        loss = _train_epoch(training, data.training, recipe, criterion, number, epochs, seed)
        validation = probabilities(training.model, data.validation, data.n_classes)
        test = probabilities(training.model, data.test, data.n_classes)
        epoch = Epoch(
            number,
            loss,
            scores(validation, data.validation, data.n_classes),
            scores(test, data.test, data.n_classes),
            time.perf_counter() - started,
            learned_weights(training.model),
        )
        training.history.append(epoch)
        training.predictions.append(Predictions(validation, test))
        yield epoch


def train_unscored(
    training: Training, data: FoldData, recipe: Recipe, *, epochs: int, seed: int, last_epoch: int
) -> Iterator[float]:
    """Train a model on the training part, with nothing held out, and yield the mean loss of each epoch.

    The learning rate follows the schedule of a fold run of `epochs`; training ends after `last_epoch` of them.

    Raises:
        Diverged: the training loss is not finite.
    """
    criterion = criterion_of(recipe, data)
    for number in range(1, last_epoch + 1):
        yield _train_epoch(training, data.training, recipe, criterion, number, epochs, seed)


@torch.inference_mode()
def probabilities(model: nn.Module, part: Part, n_classes: int) -> Float[Tensor, "utterances classes"]:
    """Class probabilities of every utterance of `part`, in its order, on the CPU: the softmax of the model's logits.

    Whatever the training loss adds to logits is no part of them.

    Raises:
        Diverged: one of them is not finite.
    """
    model.eval()
    indices, found = zip(
        *((index, model(streams)) for index, streams, _ in part.by_length(EVALUATION_FRAMES[part.device.type])),
        strict=True,
    )
    # The one place of an evaluation where the host waits for a GPU.
    logits = torch.cat(found).cpu()[torch.cat(indices).argsort()]
    if not torch.isfinite(logits).all():
        raise Diverged("a prediction is not a finite number")
    # A tensor that was made in inference mode must be copied to be used outside it.
    return logits.float().softmax(1).clone()


def without_each(model: nn.Module, part: Part, n_classes: int) -> dict[str, Float[Tensor, "utterances classes"]]:
    """By stream, class probabilities of utterances that all lack it; empty for a model of one stream.

    Those that are not finite are left out: they are of no model that is reported, and no reason to lose a run.
    """
    found = {}
    for name in part.packs if len(part.packs) > 1 else ():
        with suppress(Diverged):
            found[name] = probabilities(model, part.without(name), n_classes)
    return found


def scores(predicted: Float[Tensor, "utterances classes"], part: Part, n_classes: int) -> dict[str, float]:
    """The four metrics of class probabilities against the labels of `part`."""
    return score(np.asarray(part.labels), np.asarray(predicted.argmax(1)), n_classes)


def learning_rate(recipe: Recipe, epoch_fraction: float, epochs: int) -> float:
    """The rate after `epoch_fraction` epochs of a run: a linear warm-up times half a cosine that ends at zero."""
    warmup = min(1.0, epoch_fraction / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    return recipe.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, epoch_fraction / epochs)))


def _train_epoch(
    training: Training, part: Part, recipe: Recipe, criterion: Criterion, number: int, epochs: int, seed: int
) -> float:
    torch.manual_seed(derived_seed(seed, "dropout", number))
    order = torch.Generator().manual_seed(derived_seed(seed, "order", number))
    if recipe.modality_dropout and len(part.packs) > 1:
        drawn = torch.Generator().manual_seed(derived_seed(seed, "modality dropout", number))
        part = part.with_dropout(recipe.modality_dropout, drawn)
    model, optimizer = training.model.train(), training.optimizer
    n_batches = math.ceil(len(part) / recipe.batch_size)
    total = torch.zeros((), device=part.device)
    for step, (index, streams, _) in enumerate(part.shuffled(recipe.batch_size, order), start=1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, number - 1 + step / n_batches, epochs)
        loss = criterion(model(streams), index)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_norm)
        optimizer.step()
        total += loss.detach() * len(index)
    mean = float(total) / len(part)
    if not math.isfinite(mean):
        raise Diverged("the training loss is not a finite number")
    return mean
