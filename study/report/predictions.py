"""The stored predictions of reported runs on the utterances that they were tested on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError

from study.errors import UserError
from study.files import write_file
from study.record.events import EpochDone, FoldRun
from study.record.folder import StudyFolder
from study.record.outcome import Use
from study.record.plan import Plan
from study.record.results import PARTS, ConfigResult, FoldResult
from study.training.checkpoint import load_predictions
from study.training.metrics import METRICS, confusion_matrix, score

TOLERANCE = 1e-6
# A spreadsheet reads a cell that begins with one of these as a formula.
FORMULA_SIGNS = ("=", "+", "-", "@")


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


def tested_folds(folder: StudyFolder, plan: Plan, uses: Iterable[Use]) -> list[TestedFold]:
    """The test predictions of every run that is reported.

    Raises:
        UserError: a predictions file is missing or does not fit the plan.
    """
    return [
        TestedFold(use.run, use.block, *_stored(folder.predictions_of(use.run, use.swapped), "test", plan))
        for use in uses
    ]


def require_agreement(folder: StudyFolder, plan: Plan, configs: Sequence[ConfigResult], uses: Iterable[Use]) -> None:
    """Make sure that the ledger's scores of reported runs are those of the stored predictions.

    Raises:
        UserError: they differ, so one of the two was changed by hand, or predictions cannot be read.
    """
    results = {result.run: result for config in configs for result in config.runs()}
    for use in uses:
        path = folder.predictions_of(use.run, use.swapped)
        best = _best(results[use.run], use, plan.metric)
        for part in PARTS:
            _, labels, probabilities = _stored(path, part, plan)
            own, kept = score(labels, probabilities.argmax(1), len(plan.classes)), getattr(best, part)
            for metric in METRICS:
                if not abs(own[metric] - kept[metric]) < TOLERANCE:
                    raise UserError(
                        f"the scores of a reported run are those of its predictions, and {folder.ledger} "
                        f"has {part} {metric} {kept[metric]:.4f} for {use.run.name} at epoch {best.epoch} "
                        f"where {path} gives {own[metric]:.4f}; one of the two was changed: restore it from a copy"
                    )


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
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    shares = [f"p_{name}" for name in classes]
    writer.writerow(["variant", "utterance_id", "fold", "seed", "label", "prediction", *shares])
    writer.writerows(map(_cell, row) for fold in folds for row in _rows(fold, classes))
    write_file(path, file.getvalue())


def _rows(fold: TestedFold, classes: Sequence[str]) -> Iterator[list[Any]]:
    for utterance, shares in zip(fold.utterances, fold.probabilities.tolist(), strict=True):
        run, predicted = fold.run, classes[int(np.argmax(shares))]
        known = [run.variant, utterance["id"], run.fold, run.seed, utterance["label"], predicted]
        yield [*known, *(f"{share:.6f}" for share in shares)]


def _cell(value: Any) -> Any:
    """The value; a text that a spreadsheet would run as a formula gets a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def _stored(
    path: Path, part: str, plan: Plan
) -> tuple[tuple[Mapping[str, str], ...], Int[np.ndarray, " utterances"], Float[np.ndarray, "utterances classes"]]:
    """The utterances of a run's `part`, their class indices, and their class probabilities."""
    by_id = {utterance["id"]: utterance for utterance in plan.utterances}
    index = {name: number for number, name in enumerate(plan.classes)}
    try:
        ids, probabilities = load_predictions(path, part)
        utterances = tuple(by_id[id] for id in ids)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(
            f"the predictions of every reported run are needed, and {path} cannot be used ({error}); "
            "restore it from a copy, or start over with --fresh"
        ) from None
    labels = np.array([index[utterance["label"]] for utterance in utterances], dtype=np.int64)
    return utterances, labels, probabilities.numpy()


def _best(result: FoldResult, use: Use, metric: str) -> EpochDone:
    """The epoch whose predictions are stored; of a `swapped` use, with its parts in their swapped places."""
    return (result.swapped() if use.swapped else result).best(metric)
