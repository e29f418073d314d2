"""Trains one configuration on one fold inside a worker, an epoch at a time; knows nothing of Ray."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from search_spaces.recipe import Recipe
from study.execution.job import Job
from study.execution.pack_cache import on_this_node
from study.execution.worker_result import EpochTrained
from study.features.inputs import input_of
from study.features.pack import Pack
from study.record.epoch_rule import EPOCH_RULES
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.search_name import variant_of
from study.training import checkpoint
from study.training.batches import FoldData, fold_data
from study.training.loop import Epoch, begin, train_fold, without_each
from study.training.predictions import origin_of, save_predictions
from study.variants import VARIANTS


class FoldRunner:
    """One fold run of a study: taken up from its checkpoint, if there is one."""

    def __init__(self, folder: StudyFolder, job: Job, device: torch.device, fetch: bool) -> None:
        """Load the data and the model; `fetch` copies packs to this machine first.

        Raises:
            UserError: a feature pack is missing or damaged.
        """
        self._folder, self._job = folder, job
        self._plan = _plan(folder, folder.plan.stat().st_mtime_ns)
        variant = VARIANTS[variant_of(job.run.variant)]
        self._recipe = Recipe(**job.recipe)
        if job.score_both_blocks or self._ends_where_the_search_says:
            # A stop that suits one of the held-out parts would give the race of the other part a hint of its scores.
            self._recipe = replace(self._recipe, patience=self._plan.terms.epochs)
        features = tuple(self._recipe.features.items())
        self._data = _fold(folder, variant.inputs, features, job.run.fold, device, fetch)
        self._training = begin(variant.model, variant.rebuilt(job.model), self._recipe, self._data, job.torch_seed)
        self._owner = owner_of(self._plan, job)
        # What is damaged or belongs to another run is trained again from its first epoch, to equal scores.
        checkpoint.load_into(self._training, folder.checkpoint_of(job.run), self._owner)
        self._n_saved, self._ended = len(self._training.history), False
        self._epochs = self._remaining()

    def next_epoch(self) -> EpochTrained:
        """Train one epoch and save it, as `train_epoch` and `save` do."""
        epoch = self.train_epoch()
        self.save()
        return epoch

    def save(self) -> None:
        """Save the state after the last epoch; the predictions of all epochs as well if the run has ended.

        Raises:
            StorageFull: there is no room for the checkpoint or the predictions.
        """
        if len(self._training.history) > self._n_saved:
            checkpoint.save(self._folder.checkpoint_of(self._job.run), self._training, self._owner)
            self._n_saved = len(self._training.history)
        if self._ended:
            self._save_predictions()

    def train_epoch(self) -> EpochTrained:
        """Train one epoch, which is not saved yet; one that the checkpoint has and the ledger has not is given again.

        Raises:
            Diverged: the training loss or a prediction is not finite.
        """
        epoch = next(self._epochs)
        finished = self._training.finished(self._job.last_epoch, self._recipe.patience, self._plan.metric)
        self._ended = epoch.number == len(self._training.history) and finished
        return EpochTrained(
            epoch.number,
            epoch.loss,
            epoch.validation,
            epoch.test,
            round(epoch.seconds, 4),
            self._ended,
            epoch.layer_weights or None,
        )

    @property
    def on_host(self) -> tuple[str, ...]:
        """The streams whose features had no room on the device that trains, and are read from the host's memory."""
        part = self._data.training
        return tuple(name for name, pack in part.packs.items() if pack.on(part.device).device.type != part.device.type)

    def _remaining(self) -> Iterator[Epoch]:
        """Epochs that the checkpoint has and the ledger has not, then new ones."""
        yield from self._training.history[self._job.epochs_known :]
        yield from train_fold(
            self._training,
            self._data,
            self._recipe,
            epochs=self._plan.terms.epochs,
            metric=self._plan.metric,
            seed=self._job.torch_seed,
            last_epoch=self._job.last_epoch,
        )

    def _save_predictions(self) -> None:
        """Save them; which epoch counts is known already of a run that ends at it, else once all folds have ended."""
        run, history = self._job.run, self._training.history
        epochs = [len(history)] if self._ends_where_the_search_says else [epoch.number for epoch in history]
        ids = {"validation": self._data.validation.ids, "test": self._data.test.ids}
        origin = origin_of(run.name, self._job.params)
        # Once a run: its last epoch is the one that counts of most confirmation runs, and of few others.
        model, n_classes = self._training.model, self._data.n_classes
        without = without_each(model, self._data.test, n_classes) if run.seed > 0 else {}
        save_predictions(self._folder.predictions_of(run), self._training.predictions, epochs, ids, origin, without)

    @property
    def _ends_where_the_search_says(self) -> bool:
        rule = EPOCH_RULES[self._plan.terms.epoch_rule]
        return rule.ends_confirmation and self._job.run.seed > 0


def owner_of(plan: Plan, job: Job) -> str:
    """Whose a checkpoint is: the name of a run, and a digest of all that its numbers depend on."""
    variant, labels = VARIANTS[variant_of(job.run.variant)], job.recipe.get("features", {})
    # Fields that came later are no part of it where they change nothing: old checkpoints stay of use.
    recipe = {name: value for name, value in job.recipe.items() if name != "modality_dropout" or value}
    lacking = {name: sorted(own) for name, own in plan.missing().items() if name in variant.modalities}
    facts = {
        "model": job.model,
        "recipe": recipe,
        "seed": job.torch_seed,
        "both blocks": job.score_both_blocks,
        "epochs": [plan.terms.epochs, job.last_epoch],
        "metric": plan.metric,
        "corpus": plan.corpus["digest"],
        "classes": plan.classes,
        "fold": plan.folds[job.run.fold],
        # Packs are named by their encoder and all that it has read.
        "packs": [Path(plan.pack(name, labels.get(name))).name for name in variant.modalities],
        **({"missing": lacking} if lacking else {}),
        **({"pairs": plan.terms.pairs} if plan.terms.pairs else {}),
    }
    text = json.dumps(facts, sort_keys=True)
    return f"{job.run.name} {hashlib.sha256(text.encode()).hexdigest()[:32]}"


def parts_of_fold(plan: Plan, fold: int) -> dict[str, list[tuple[str, int]]]:
    """(utterance id, class index) pairs of the fold's training, validation and test parts."""
    classes = {name: index for index, name in enumerate(plan.classes)}
    part_of = {group: part for part in ("training", "validation", "test") for group in plan.folds[fold][part]}
    parts: dict[str, list[tuple[str, int]]] = {"training": [], "validation": [], "test": []}
    for utterance in plan.utterances:
        parts[part_of[utterance["group"]]].append((utterance["id"], classes[utterance["label"]]))
    return parts


def data_of_fold(
    plan: Plan,
    inputs: Sequence[str],
    fold: int,
    device: torch.device,
    fetch: bool = False,
    features: Mapping[str, str] | None = None,
) -> FoldData:
    """What a variant with these `inputs` trains on and is tested with.

    `fetch` copies packs to this machine first; `features` are the labels of the features chosen, by modality, where a
    study has several.
    """
    packs = {}
    for name in inputs:
        stream = input_of(name)
        path = plan.pack(stream.modality, (features or {}).get(stream.modality))
        packs[name] = stream.view(_pack(Path(path), fetch))
    return data_of_parts(plan, packs, parts_of_fold(plan, fold), device)


def data_of_parts(
    plan: Plan, packs: Mapping[str, Pack], parts: Mapping[str, Sequence[tuple[str, int]]], device: torch.device
) -> FoldData:
    """The data of utterances that are divided into these `parts`, with what the study's losses read of them.

    `packs` are by stream, and need no frames of utterances that lack the stream's modality.
    """
    missing = plan.missing_in(packs)
    return fold_data(packs, parts, len(plan.classes), device, plan.votes(), plan.confused_pairs(), missing)


@lru_cache(maxsize=1)
def _plan(folder: StudyFolder, written: int) -> Plan:
    """The plan that was written at this time: it names every utterance, and a worker takes up many runs."""
    return Plan.read(folder)


# More folds than most studies have, and few bytes each: their frames stay in the packs.
@lru_cache(maxsize=128)
def _fold(
    folder: StudyFolder,
    inputs: tuple[str, ...],
    features: tuple[tuple[str, str], ...],
    fold: int,
    device: torch.device,
    fetch: bool,
) -> FoldData:
    return data_of_fold(Plan.read(folder), inputs, fold, device, fetch, dict(features))


@lru_cache(maxsize=4)
def _pack(path: Path, fetch: bool) -> Pack:
    return Pack.open(on_this_node(path) if fetch else path)
