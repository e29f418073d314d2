"""One model of all data: the selected configuration trained once more, for as long as its fold runs, and a new seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median_low
from typing import Any

import torch

from study.errors import UserError
from study.execution.fold_runner import data_of_parts
from study.features.inputs import input_of
from study.features.pack import Pack
from study.inference.ensemble import Member
from study.inference.threads import one_core
from study.record.outcome import Use
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.samplers.proposer import configuration
from study.seeding import derived_seed
from study.training.loop import Diverged, begin, train_unscored
from study.variants import VARIANTS


def refit_epochs(uses: Sequence[Use]) -> int:
    """How long the one model trains: the median of the epochs at which the fold runs count, the lower of two."""
    return median_low([use.epoch for use in uses])


def refit(
    plan: Plan, search: str, params: Mapping[str, Any], n_epochs: int, on_epoch: Callable[[int, int], None]
) -> Member:
    """The model of all utterances; `on_epoch` is called with the epochs done, and their number.

    Raises:
        UserError: features are missing, or the loss is not a number.
    """
    row = VARIANTS[variant_of(search)]
    config, recipe = configuration(row, params)
    streams = {name: input_of(name) for name in row.inputs}
    packs = {
        name: own.view(Pack.open(Path(plan.pack(own.modality, recipe.features.get(own.modality)))))
        for name, own in streams.items()
    }
    number = {name: index for index, name in enumerate(plan.classes)}
    everyone = [(each["id"], number[each["label"]]) for each in plan.utterances]
    data = data_of_parts(plan, packs, {"training": everyone, "validation": [], "test": []}, torch.device("cpu"))
    seed = derived_seed(plan.terms.seed, "refit", search)
    training = begin(row.model, row.rebuilt(asdict(config)), recipe, data, seed)
    losses = train_unscored(training, data, recipe, epochs=plan.terms.epochs, seed=seed, last_epoch=n_epochs)
    try:
        with one_core():
            for epoch, _ in enumerate(losses, start=1):
                on_epoch(epoch, n_epochs)
    except Diverged as diverged:
        raise UserError(
            f"a model of all data needs a loss that is a number, and {diverged}; use --weights folds"
        ) from None
    return Member(training.model.eval(), data.training.scaling)
