"""What selected configurations said of the utterances that they were tested on, and figures that need it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError

from study.errors import UserError
from study.results.aggregate import FoldResult
from study.results.ledger import FoldRun
from study.results.nested import divisions
from study.results.plan import Plan
from study.results.selection import Use
from study.storage import put
from study.training.checkpoint import load_predictions
from study.training.metrics import METRICS, confusion_matrix, score, score_confusion, speaker_confusions

# The labels that annotators themselves confuse most.
CLOSE_PAIRS = (("angry", "frustrated"), ("happy", "excited"))


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


def tested_folds(folder: Path, plan: Plan, uses: Iterable[Use]) -> list[TestedFold]:
    """The test predictions of every run that is reported.

    Raises:
        UserError: a predictions file is missing or does not fit the plan.
    """
    found = []
    for use in uses:
        path = folder / "predictions" / f"{use.run.name}{'-mirrored' if use.mirrored else ''}.safetensors"
        found.append(TestedFold(use.run, use.block, *_stored(path, "test", plan)))
    return found


def _stored(
    path: Path, part: str, plan: Plan
) -> tuple[tuple[Mapping[str, str], ...], Int[np.ndarray, " utterances"], Float[np.ndarray, "utterances classes"]]:
    """The utterances of a run's `part`, their class indices, and what was said of them."""
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


def require_agreement(folder: Path, plan: Plan, results: Iterable[FoldResult]) -> None:
    """Make sure that the ledger's scores of reported runs are those of the stored predictions.

    Raises:
        UserError: they differ, so one of the two was changed by somebody else, or predictions cannot be read.
    """
    for result in results:
        best, path = result.best(plan.metric), folder / "predictions" / f"{result.run.name}.safetensors"
        for part in ("validation", "test"):
            _, labels, probabilities = _stored(path, part, plan)
            own = score(labels, probabilities.argmax(1), len(plan.classes))
            for metric in METRICS:
                if not abs(own[metric] - best[part][metric]) < 1e-6:
                    raise UserError(
                        f"the scores of a reported run are those of its predictions, and {folder / 'ledger.jsonl'} "
                        f"says {part} {metric} {best[part][metric]:.4f} of {result.run.name} at epoch {best['epoch']} "
                        f"where {path} gives {own[metric]:.4f}; one of the two was changed: restore it from a copy"
                    )


def pooled_confusion(folds: Iterable[TestedFold], n_classes: int) -> Int[np.ndarray, "classes classes"]:
    """Counts [true, predicted] over all folds and seeds."""
    counts = [confusion_matrix(fold.labels, fold.predictions, n_classes) for fold in folds]
    return np.asarray(np.sum(counts, axis=0))


def confusions_by_speaker(folds: Iterable[TestedFold], n_classes: int) -> Int[np.ndarray, "speakers classes classes"]:
    """Counts [speaker, true, predicted] over all folds, summed over seeds, speakers in order of name."""
    pooled = list(folds)
    return speaker_confusions(
        np.concatenate([fold.labels for fold in pooled]),
        np.concatenate([fold.predictions for fold in pooled]),
        [utterance["speaker"] for fold in pooled for utterance in fold.utterances],
        n_classes,
    )


def class_recalls(folds: Sequence[TestedFold], classes: Sequence[str]) -> dict[str, float]:
    """The share of each class's utterances that were recognised, over all folds and seeds."""
    confusion = pooled_confusion(folds, len(classes))
    return {
        name: float(row[number] / row.sum())
        for number, (name, row) in enumerate(zip(classes, confusion, strict=True))
        if row.sum()
    }


def close_pairs(folds: Sequence[TestedFold], classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """For each pair of close classes, the share of the one that was taken for the other."""
    confusion = pooled_confusion(folds, len(classes))
    pairs = {}
    for first, second in CLOSE_PAIRS:
        if first in classes and second in classes:
            i, j = list(classes).index(first), list(classes).index(second)
            pairs[f"{first}/{second}"] = {
                "first_as_second": float(confusion[i, j] / max(1, confusion[i].sum())),
                "second_as_first": float(confusion[j, i] / max(1, confusion[j].sum())),
            }
    return pairs


def metrics_by_script(folds: Sequence[TestedFold], n_classes: int) -> dict[str, dict[str, float]]:
    """The four metrics of scripted and of improvised utterances apart, over all folds and seeds.

    Scripts are shared by sessions, so scripted words of the test set are known from training.
    """
    kinds = sorted({u["script"] for fold in folds for u in fold.utterances if u["script"]})
    found = {}
    for kind in kinds:
        confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
        for fold in folds:
            chosen = np.array([utterance["script"] == kind for utterance in fold.utterances])
            confusion += confusion_matrix(fold.labels[chosen], fold.predictions[chosen], n_classes)
        scores = score_confusion(confusion)
        n_utterances = len({u["id"] for fold in folds for u in fold.utterances if u["script"] == kind})
        found[kind] = {**{name: float(scores[name]) for name in METRICS}, "n": n_utterances}
    return found


def words_seen(plan: Plan) -> float | None:
    """The share of test utterances whose words occur in the training part of their fold; None without words."""
    seen = total = 0
    for fold in divisions(plan):
        known = {u["words"] for u in plan.utterances if u["group"] in fold["training"]} - {""}
        tested = [u["words"] for u in plan.utterances if u["group"] in fold["test"] and u["words"]]
        seen += sum(words in known for words in tested)
        total += len(tested)
    return seen / total if total else None


def prediction_rows(folds: Iterable[TestedFold], classes: Sequence[str]) -> Iterable[dict[str, Any]]:
    """One row per utterance and seed, as in `predictions.csv`."""
    for fold in folds:
        for utterance, row in zip(fold.utterances, fold.probabilities.tolist(), strict=True):
            yield {
                "variant": fold.run.variant,
                "utterance_id": utterance["id"],
                "fold": fold.run.fold,
                "seed": fold.run.seed,
                "label": utterance["label"],
                "prediction": classes[int(np.argmax(row))],
                **{f"p_{name}": f"{value:.6f}" for name, value in zip(classes, row, strict=True)},
            }


def write_predictions(path: Path, rows: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> None:
    """Write `predictions.csv` in one step."""
    columns = ["variant", "utterance_id", "fold", "seed", "label", "prediction", *(f"p_{name}" for name in classes)]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)
    put(path, file.getvalue())
