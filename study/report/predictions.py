"""The stored predictions of runs, and whether the ledger's scores are theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError

from study.errors import UserError
from study.files import write_file
from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.record.outcome import Use
from study.record.plan import Plan
from study.record.results import PARTS, ConfigResult, FoldResult
from study.report.cells import csv_text
from study.training.metrics import METRICS, confusion_matrix, score_confusion
from study.training.predictions import (
    load_classes,
    load_ids,
    load_origin,
    load_probabilities,
    load_without,
    origin_of,
)

TOLERANCE = 1e-6
SWAPPED = {"validation": "test", "test": "validation"}
Utterances = tuple[Mapping[str, str], ...]
Labels = Int[np.ndarray, " utterances"]
Probabilities = Float[np.ndarray, "utterances classes"]


@dataclass(frozen=True)
class TestedFold:
    """One fold run's test predictions: utterances, their class indices, and class probabilities.

    `block` names the groups that were tested.
    """

    run: FoldRun
    block: str
    utterances: tuple[Mapping[str, str], ...]
    labels: Int[np.ndarray, " utterances"]
    probabilities: Float[np.ndarray, "utterances classes"]

    @property
    def predictions(self) -> Int[np.ndarray, " utterances"]:
        """The most probable class of each utterance."""
        return np.asarray(self.probabilities.argmax(1))


class StoredPredictions:
    """The predictions of a study's runs: there is a file for every run that ended."""

    def __init__(self, folder: StudyFolder, plan: Plan) -> None:
        """The predictions in `folder` of the study of `plan`; files are read when they are asked for."""
        self._folder, self._plan = folder, plan
        self._parts = cache(self._part_of_fold)

    def tested(self, uses: Iterable[Use]) -> list[TestedFold]:
        """The test predictions of every run that is reported.

        Raises:
            UserError: a predictions file is missing or does not fit the plan.
        """
        return [TestedFold(use.run, use.block, *self._stored(use, "test")) for use in uses]

    def validated(self, uses: Iterable[Use]) -> list[TestedFold]:
        """The predictions of the same runs for the parts that were their validation.

        Raises:
            UserError: see `tested`.
        """
        return [TestedFold(use.run, use.block, *self._stored(use, "validation")) for use in uses]

    def without(self, uses: Sequence[Use]) -> dict[str, list[TestedFold]]:
        """The test predictions of the same runs without each stream, where every run has them of its epoch.

        Raises:
            UserError: see `tested`.
        """
        runs = [self._without(use) for use in uses]
        streams = [name for name in (runs[0] if runs else {}) if all(name in own for own in runs)]
        return {name: [own[name] for own in runs] for name in streams}

    def require_agreement(self, config: ConfigResult) -> None:
        """Make sure that the ledger's scores and parameters of a configuration are those of its predictions.

        Every epoch of every run that ended or is at full length is compared, those with new seeds too.

        Raises:
            UserError: they differ, so one of the two was changed by hand, or predictions cannot be read.
        """
        for result in config.runs():
            if result.ended or len(result.epochs) >= self._plan.terms.epochs:
                path = self._folder.predictions_of(result.run)
                self._require_origin(config, result, path)
                for part in PARTS:
                    self._require_scores(result, part, path)

    def _require_origin(self, config: ConfigResult, result: FoldResult, path: Path) -> None:
        with _readable(path):
            found = load_origin(path)
        for name, value in origin_of(result.run.name, config.params).items():
            if found[name] != value:
                raise UserError(
                    f"the predictions of a run are from that run, and {self._folder.ledger} has "
                    f"{name} {value} where {path} has {found[name]}; one of the two was changed: restore it from a copy"
                )

    def _require_scores(self, result: FoldResult, part: str, path: Path) -> None:
        _, labels = self._utterances(result.run, part, part)
        with _readable(path):
            classes = load_classes(path, part).numpy().astype(np.int64)
            if classes.shape != (len(result.epochs), len(labels)):
                raise ValueError(f"it has {len(classes)} epochs where the ledger has {len(result.epochs)}")
            own = score_confusion(np.stack([confusion_matrix(labels, c, len(self._plan.classes)) for c in classes]))
        for metric in METRICS:
            for epoch, found in zip(result.epochs, own[metric], strict=True):
                kept = getattr(epoch, part)[metric]
                if not abs(found - kept) < TOLERANCE:
                    raise UserError(
                        f"the scores of a run are those of its predictions, and {self._folder.ledger} "
                        f"has {part} {metric} {kept:.4f} for {result.run.name} at epoch {epoch.epoch} "
                        f"where {path} gives {found:.4f}; one of the two was changed: restore it from a copy"
                    )

    def _stored(self, use: Use, role: str) -> tuple[Utterances, Labels, Probabilities]:
        """The utterances of the part that has this role in a use, their class indices, and class probabilities."""
        path, part = self._folder.predictions_of(use.run), SWAPPED[role] if use.swapped else role
        utterances, labels = self._utterances(use.run, part, role)
        with _readable(path):
            probabilities = load_probabilities(path, part, use.epoch).numpy()
            if not (probabilities.argmax(1) == load_classes(path, part)[use.epoch - 1].numpy()).all():
                raise ValueError(f"its classes after epoch {use.epoch} are not its most probable ones")
        return utterances, labels, probabilities

    def _without(self, use: Use) -> dict[str, TestedFold]:
        if use.swapped:
            return {}
        path, (utterances, labels) = self._folder.predictions_of(use.run), self._utterances(use.run, "test", "test")
        with _readable(path):
            found = {name: each.numpy() for name, each in load_without(path, use.epoch).items()}
            for name, shares in found.items():
                if shares.shape != (len(labels), len(self._plan.classes)) or not np.isfinite(shares).all():
                    raise ValueError(f"its predictions without {name} are not those of its test utterances")
        return {name: TestedFold(use.run, use.block, utterances, labels, each) for name, each in found.items()}

    def _utterances(self, run: FoldRun, part: str, shown_as: str) -> tuple[Utterances, Labels]:
        """The utterances of a run's part, of which its predictions have to be, and their class indices."""
        path = self._folder.predictions_of(run)
        with _readable(path):
            utterances, labels = self._parts(run.fold, part)
            if load_ids(path, part) != [utterance["id"] for utterance in utterances]:
                raise ValueError(f"its {shown_as} utterances are not those of fold {run.fold}")
        return utterances, labels

    def _part_of_fold(self, fold: int, part: str) -> tuple[Utterances, Labels]:
        """The utterances of a fold's part in the plan's order, and their class indices."""
        groups = set(self._plan.folds[fold][part])
        utterances = tuple(utterance for utterance in self._plan.utterances if utterance["group"] in groups)
        labels = [self._plan.classes.index(utterance["label"]) for utterance in utterances]
        return utterances, np.array(labels, dtype=np.int64)


def pooled_confusion(folds: Iterable[TestedFold], n_classes: int) -> Int[np.ndarray, "classes classes"]:
    """Counts [true, predicted] over all folds and seeds."""
    counts = [confusion_matrix(fold.labels, fold.predictions, n_classes) for fold in folds]
    return np.asarray(np.sum(counts, axis=0))


def confusions_by_block(folds: Sequence[TestedFold], n_classes: int) -> dict[str, Int[np.ndarray, "classes classes"]]:
    """Counts [true, predicted] of each block that was tested, by its name, over the runs that tested it."""
    blocks = dict.fromkeys(fold.block for fold in folds)
    return {block: pooled_confusion([fold for fold in folds if fold.block == block], n_classes) for block in blocks}


def write_predictions(path: Path, folds: Iterable[TestedFold], classes: Sequence[str]) -> None:
    """Write `predictions.csv` in one step: a row per utterance and seed."""
    shares = [f"p_{name}" for name in classes]
    heading = ["variant", "utterance_id", "fold", "seed", "label", "prediction", *shares]
    write_file(path, csv_text(heading, (row for fold in folds for row in _rows(fold, classes))))


def _rows(fold: TestedFold, classes: Sequence[str]) -> Iterator[list[Any]]:
    for utterance, shares in zip(fold.utterances, fold.probabilities.tolist(), strict=True):
        run, predicted = fold.run, classes[int(np.argmax(shares))]
        known = [run.variant, utterance["id"], run.fold, run.seed, utterance["label"], predicted]
        yield [*known, *(f"{share:.6f}" for share in shares)]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what reading the predictions at `path` may raise into one line."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise UserError(
            f"the predictions of every run that ended are needed, and {path} cannot be used ({error}); "
            "restore it from a copy, or start over with --fresh"
        ) from None
