"""What models of a study reach on other corpora, kept in its folder: nothing chooses by it.

A row is of one model and one corpus. A selection that has changed since has another ledger, and the row is outdated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from study.errors import UserError
from study.files import write_file
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.training.metrics import METRICS

FORMAT = 1
# A metric with the ends of its 95 % interval, None where one unit alone could be resampled.
Scored = tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Transfer:
    """The scores of a search's model on another corpus.

    `weights` is the kind of the model ("folds" or "refit"), `ledger` the digest of the ledger that it is from; `corpus`
    is the other corpus's name and `digest` that of its utterances and their labels. Of its `n_all` utterances,
    `n_utterances` have a label of the model and were predicted, and `n_equal` were in the training corpus (None where
    that is not known). `classes` occur in it. `scores` are among all classes of the model, `shared` among those that
    occur. Intervals resample `n_units` of `unit` ("speaker" or "group").
    """

    search: str
    weights: str
    ledger: str
    corpus: str
    digest: str
    n_all: int
    n_utterances: int
    n_equal: int | None
    classes: tuple[str, ...]
    unit: str
    n_units: int
    scores: Mapping[str, Scored]
    shared: Mapping[str, Scored]

    @property
    def key(self) -> tuple[str, str, str]:
        """What a later evaluation takes the place of."""
        return self.search, self.weights, self.digest


def add_transfer(folder: StudyFolder, plan: Plan, row: Transfer) -> None:
    """Write a row into the study's folder, in one step, in place of an earlier one of the same model and corpus.

    Raises:
        UserError: what is there is damaged, or of another study.
    """
    kept = [each for each in read_transfers(folder, plan) if each.key != row.key]
    rows = sorted([*kept, row], key=lambda each: (each.corpus, each.key))
    found = {"format": FORMAT, "plan": plan.digest(), "rows": [asdict(each) for each in rows]}
    write_file(folder.transfers, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def read_transfers(folder: StudyFolder, plan: Plan) -> tuple[Transfer, ...]:
    """What models of the study of `plan` reach on other corpora; empty where none was evaluated.

    Raises:
        UserError: the file is damaged, or of another study.
    """
    path = folder.transfers
    if not path.is_file():
        return ()
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT or found["plan"] != plan.digest():
            raise ValueError("it is of another format or of another plan")
        return tuple(_checked(Transfer(**row), plan) for row in found["rows"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"scores on other corpora are of the study that they lie in, and {path} cannot be used ({error}); "
            f"remove it, and evaluate anew with `ser-study evaluate {plan.name} --corpus PATH`"
        ) from None


def _checked(row: Transfer, plan: Plan) -> Transfer:
    """The row with tuples for lists, after making sure that everything is of its kind.

    Raises:
        ValueError: something is not.
    """
    texts = (row.search, row.weights, row.ledger, row.corpus, row.digest, row.unit)
    if not all(isinstance(each, str) and each.isprintable() for each in texts):
        raise ValueError("names that are none")
    sizes = (row.n_all, row.n_utterances, row.n_units, *([] if row.n_equal is None else [row.n_equal]))
    if not all(type(each) is int and 0 <= each <= row.n_all for each in sizes):
        raise ValueError("numbers of utterances that are none")
    if not set(row.classes) <= set(plan.classes):
        raise ValueError("classes that the study does not have")
    return replace(row, classes=tuple(row.classes), scores=_scores(row.scores), shared=_scores(row.shared))


def _scores(found: Mapping[str, Sequence[Any]]) -> dict[str, Scored]:
    if set(found) != set(METRICS):
        raise ValueError(f"scores of other metrics than {', '.join(METRICS)}")
    return {metric: _scored(found[metric]) for metric in METRICS}


def _scored(found: Sequence[Any]) -> Scored:
    value, low, high = found
    if value is None or not all(_is_share(each) for each in _given(found)) or (low is None) != (high is None):
        raise ValueError("a score that is none")
    return value, low, high


def _given(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
