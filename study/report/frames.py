"""What a study has found as pandas tables, for notebooks; see `study.results`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from study.errors import UserError
from study.option import is_name
from study.protocols import PROTOCOLS
from study.record.events import Phase
from study.record.folder import StudyFolder
from study.record.results import PARTS, ConfigResult, metrics_over_folds
from study.record.terms import NAME
from study.report.evidence import Evidence, gather
from study.report.predictions import TestedFold
from study.training.metrics import METRICS

SCORES = tuple(f"{part}_{metric}" for part in PARTS for metric in METRICS)

CONFIGURATION = ("variant", "config", "selected", "outcome", "reason", "epochs", "seconds", *SCORES)
KNOWN_OF_EPOCH = ("variant", "config", "fold", "seed", "epoch", "loss", "seconds", "ended")
EPOCH = (*KNOWN_OF_EPOCH, *SCORES)
PREDICTION = ("variant", "utterance_id", "fold", "seed", "label", "prediction")


@dataclass(frozen=True)
class Results:
    """A study's tables.

    Attributes:
        configurations: a row for each: "variant", "config", "selected" (whether the report's tuned figures are its),
            "outcome" and "reason", "epochs" and "seconds" over all its runs, "validation_UWA", "test_UWA" and so on
            (means over folds in the search at the epoch that counts; nan unless it is complete), and a
            column "params_..." for each parameter. Under protocol nested, "selected" is the choice of a block at least.
        epochs: a row for each epoch of each fold run: "variant", "config", "fold", "seed" (0 in the search), "epoch",
            "loss", "seconds", "ended", and the four metrics of both parts.
        predictions: a row for each test utterance and seed of the selected configurations: "variant", "utterance_id",
            "fold", "seed", "label", "prediction", and the probability "p_..." of each class.
        unfinished: what the study has left to do; empty for a finished one.
    """

    configurations: pd.DataFrame
    epochs: pd.DataFrame
    predictions: pd.DataFrame
    unfinished: str = ""


def read(output: Path, name: str) -> Results:
    """The tables of the study `name` in `output`.

    Raises:
        UserError: there is no such study, or it does not pass the checks of `gather`.
    """
    if not is_name(name):
        raise UserError(f"a study is named by {NAME}; found {name!r}")
    evidence = gather(StudyFolder.of(output, name))
    classes = evidence.plan.classes
    tested = [row for folds in evidence.tested.values() for fold in folds for row in _tested(fold, classes)]
    return Results(
        _frame(_configurations(evidence), CONFIGURATION),
        _frame(_epochs(evidence), EPOCH),
        _frame(tested, (*PREDICTION, *(f"p_{name}" for name in classes))),
        evidence.left,
    )


def _frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """The rows as a table that has these columns first, even without rows."""
    found = list(rows)
    return pd.DataFrame(found, columns=list(dict.fromkeys([*columns, *(name for row in found for name in row)])))


def _configurations(evidence: Evidence) -> Iterator[dict[str, Any]]:
    plan = evidence.plan
    for name, configs in evidence.configs.items():
        chosen = {use.config for use in (fold.run for fold in evidence.tested.get(name, ()))}
        viewed = {config.number: config for config in PROTOCOLS[plan.terms.protocol].viewed(plan, configs)}
        for config in configs:
            yield {
                "variant": name,
                "config": config.number,
                "selected": config.number in chosen,
                "outcome": config.outcome.value,
                "reason": config.reason,
                "epochs": config.epochs_run,
                "seconds": config.seconds,
                **_means(viewed[config.number], plan.metric),
                **{f"params_{key}": value for key, value in config.params.items()},
            }


def _means(config: ConfigResult, metric: str) -> Mapping[str, float]:
    if config.outcome is not Phase.COMPLETE:
        return dict.fromkeys(SCORES, math.nan)
    return {
        f"{part}_{name}": spread.mean
        for part in PARTS
        for name, spread in metrics_over_folds(config, part, metric).items()
    }


def _epochs(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for configs in evidence.configs.values():
        for epoch in (epoch for config in configs for run in config.runs() for epoch in run.epochs):
            scores = {f"{part}_{name}": getattr(epoch, part)[name] for part in PARTS for name in METRICS}
            yield {**{name: getattr(epoch, name) for name in KNOWN_OF_EPOCH}, **scores}


def _tested(fold: TestedFold, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    shown = zip(fold.utterances, fold.predictions, fold.probabilities.tolist(), strict=True)
    for utterance, predicted, shares in shown:
        yield {
            "variant": fold.run.variant,
            "utterance_id": utterance["id"],
            "fold": fold.run.fold,
            "seed": fold.run.seed,
            "label": utterance["label"],
            "prediction": classes[predicted],
            **{f"p_{name}": share for name, share in zip(classes, shares, strict=True)},
        }
