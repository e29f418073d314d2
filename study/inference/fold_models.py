"""The models of a study's fold runs at the epochs that are reported: kept ones, or trained again to the same ones.

A run leaves its weights after its last epoch. Where that is not the epoch that counts (in a search without confirmation
runs, and under protocol nested), or where the weights were removed, the run is trained again up to it: everything that
it depends on is on record. Either way, its predictions must be the stored ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from search_spaces.recipe import Recipe
from study.errors import UserError
from study.execution.fold_runner import data_of_fold, owner_of
from study.execution.job import Job
from study.execution.jobs import jobs_of
from study.inference.ensemble import Member
from study.inference.threads import one_core
from study.record.epoch_rule import EPOCH_RULES
from study.record.folder import StudyFolder
from study.record.outcome import Use
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.report.predictions import TestedFold
from study.search.conductor import Assignment
from study.training import checkpoint
from study.training.batches import FoldData
from study.training.loop import Training, begin, train_fold
from study.variants import VARIANTS

# Arithmetic on one processor is repeated to the bit; on another, or on a GPU, to a few of the last digits.
TOLERANCE = 1e-3
CPU = torch.device("cpu")
# Called with the run that is trained again, its epochs done, and their number.
OnEpoch = Callable[[Use, int, int], None]


@dataclass(frozen=True)
class FoldModel:
    """The model of a fold run at the epoch of its `use`; `trained_again` where its weights were not kept."""

    use: Use
    member: Member
    trained_again: bool


def fold_models(
    folder: StudyFolder,
    plan: Plan,
    params: dict[str, Any],
    uses: Sequence[Use],
    tested: Sequence[TestedFold],
    on_epoch: OnEpoch,
) -> Iterator[FoldModel]:
    """The models of runs of one configuration, of these `params`; `tested` is what is reported of each.

    Raises:
        UserError: features are missing, or a run that is trained again predicts something else than it did.
    """
    for use, stored in zip(uses, tested, strict=True):
        with one_core():
            model = _fold_model(folder, plan, params, use, stored, on_epoch)
        yield model


def _fold_model(
    folder: StudyFolder, plan: Plan, params: dict[str, Any], use: Use, stored: TestedFold, on_epoch: OnEpoch
) -> FoldModel:
    job = jobs_of(plan)(Assignment(use.run, params, 0, _last_epoch(plan, use)))
    row = VARIANTS[variant_of(use.run.variant)]
    data = data_of_fold(plan, row.inputs, use.run.fold, CPU, features=job.recipe["features"])
    training = _begun(plan, job, data)
    path = folder.checkpoint_of(use.run)
    kept = checkpoint.load_into(training, path, owner_of(plan, job)) and len(training.history) == use.epoch
    if not kept:
        training = _trained_again(plan, job, data, use, on_epoch)
    _require_equal(training, stored, use, kept)
    return FoldModel(use, Member(training.model.eval(), data.training.scaling), not kept)


def _last_epoch(plan: Plan, use: Use) -> int:
    """The epoch at which the run was to end at the latest: part of whose its checkpoint is."""
    ends_there = EPOCH_RULES[plan.terms.epoch_rule].ends_confirmation and use.run.seed > 0
    return use.epoch if ends_there else plan.terms.epochs


def _begun(plan: Plan, job: Job, data: FoldData) -> Training:
    row = VARIANTS[variant_of(job.run.variant)]
    return begin(row.model, row.rebuilt(job.model), _recipe(plan, job), data, job.torch_seed)


def _recipe(plan: Plan, job: Job) -> Recipe:
    # It ends where it is told to, whatever its scores are.
    return replace(Recipe(**job.recipe), patience=plan.terms.epochs)


def _trained_again(plan: Plan, job: Job, data: FoldData, use: Use, on_epoch: OnEpoch) -> Training:
    training = _begun(plan, job, data)
    for epoch in train_fold(
        training,
        data,
        _recipe(plan, job),
        epochs=plan.terms.epochs,
        metric=plan.metric,
        seed=job.torch_seed,
        last_epoch=use.epoch,
    ):
        on_epoch(use, epoch.number, use.epoch)
    return training


def _require_equal(training: Training, stored: TestedFold, use: Use, kept: bool) -> None:
    predicted = training.predictions[use.epoch - 1]
    found = (predicted.validation if use.swapped else predicted.test).numpy()
    difference = float(np.abs(found - stored.probabilities).max())
    if not difference <= TOLERANCE:
        how = "the weights that were kept" if kept else "the same training, repeated on this machine,"
        raise UserError(
            f"an exported model predicts what the study has stored, and {how} of {use.run.name} give probabilities "
            f"that differ by {difference:.2g} after epoch {use.epoch}; export where the study ran, or --weights refit"
        )
