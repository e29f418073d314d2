"""Counts of one training step on the pretended GPU, as `python -m benchmarks.gpu` prints them."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from search_spaces.recipe import Recipe
from study.features.pack import Pack, write_pack
from study.training.batches import FoldData, fold_data
from study.training.loop import begin, train_unscored
from study.variants import VARIANTS
from tests.plugins.pretended_gpu import Counts, pretended_gpu

# How wide and long utterances are changes no count.
DIM, LONGEST, N_CLASSES = 4, 3, 2


def counts_of_step(variant: str, config: Any, batch_size: int) -> Counts:
    """What the second step of a run asks of the GPU, with the loss's part in the sum of its epoch."""
    one, two = (_counts_of_epoch(variant, config, batch_size, n_steps) for n_steps in (1, 2))
    return Counts(
        two.operations - one.operations,
        two.waits - one.waits,
        two.uploads - one.uploads,
        two.not_deterministic,
    )


def _counts_of_epoch(variant: str, config: Any, batch_size: int, n_steps: int) -> Counts:
    """The counts of a run's second epoch, when the optimiser has its state, of so many steps."""
    recipe = Recipe(batch_size=batch_size)
    with tempfile.TemporaryDirectory() as folder, pretended_gpu() as counts:
        data = _fold(Path(folder), VARIANTS[variant].inputs, batch_size * n_steps)
        training = begin(VARIANTS[variant].model, config, recipe, data, seed=0)
        epochs = train_unscored(training, data, recipe, epochs=2, seed=0, last_epoch=2)
        next(epochs)
        counts.clear()
        next(epochs)
    return counts


def _fold(folder: Path, inputs: tuple[str, ...], n_utterances: int) -> FoldData:
    ids, generator = [f"u{number}" for number in range(n_utterances)], torch.Generator().manual_seed(0)
    packs = {}
    for name in inputs:
        frames = [torch.randn(1 + number % LONGEST, DIM, generator=generator).half() for number in range(n_utterances)]
        write_pack(folder / name, ids, frames, None, {})
        packs[name] = Pack.open(folder / name)
    members = [(id, number % N_CLASSES) for number, id in enumerate(ids)]
    return fold_data(packs, dict.fromkeys(("training", "validation", "test"), members), N_CLASSES, torch.device("cuda"))
