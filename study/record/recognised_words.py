"""What a study's reported models score on recognised words, kept in its folder: nothing chooses by it.

For every reported run there are the counts of its test part, so that figures are computed here as those of the ledger
are. A selection that has changed since has other runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from study.errors import UserError
from study.files import write_file
from study.record.folder import StudyFolder
from study.record.outcome import Use
from study.record.plan import Plan
from study.record.results import Spread, spread
from study.training.metrics import METRICS, score_confusion

FORMAT = 1


@dataclass(frozen=True)
class TestedRun:
    """The counts [true class, predicted class] of what a run tested, after `epoch`; see `study.record.outcome.Use`."""

    run: str
    epoch: int
    block: str
    swapped: bool
    counts: Sequence[Sequence[int]]

    def is_of(self, use: Use) -> bool:
        """Whether it is what is reported of a run."""
        return (self.run, self.epoch, self.block, self.swapped) == (use.run.name, use.epoch, use.block, use.swapped)


@dataclass(frozen=True)
class RecognisedWords:
    """Scores on recognised words, by search, and how far these words are from the true ones.

    `manifest` is the name of the file that they are from, and `digest` its sha256; `plan` is the digest of the plan. Of
    `n_utterances`, `n_empty` have no recognised words; `n_edits` words were substituted, inserted or deleted where the
    true ones are `n_words`.
    """

    manifest: str
    digest: str
    plan: str
    n_utterances: int
    n_empty: int
    n_words: int
    n_edits: int
    runs: Mapping[str, Sequence[TestedRun]]

    def figures(self, search: str, uses: Sequence[Use]) -> dict[str, Spread] | None:
        """The metrics of a search over its test blocks; None where its reported runs are others than these `uses`."""
        runs = self.runs.get(search, ())
        if len(runs) != len(uses) or not all(run.is_of(use) for run, use in zip(runs, uses, strict=True)):
            return None
        blocks: dict[str, list[Mapping[str, Any]]] = {}
        for run in runs:
            blocks.setdefault(run.block, []).append(score_confusion(np.array(run.counts)))
        return {
            metric: spread([fmean(float(each[metric]) for each in own) for own in blocks.values()])
            for metric in METRICS
        }

    def write(self, folder: StudyFolder) -> None:
        """Write it into the study's folder, in one step."""
        write_file(folder.recognised_words, json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")


def read_recognised_words(folder: StudyFolder, plan: Plan) -> RecognisedWords | None:
    """What was scored on recognised words in the study of `plan`; None where nothing was.

    Raises:
        UserError: the file is damaged, or of another study.
    """
    path = folder.recognised_words
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        if found.pop("format") != FORMAT:
            raise ValueError(f"another format than {FORMAT}")
        runs = {str(name): tuple(TestedRun(**run) for run in own) for name, own in found.pop("runs").items()}
        words = RecognisedWords(**found, runs=runs)
        _check(words, plan)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"scores on recognised words are of the study that they lie in, and {path} cannot be used ({error}); "
            f"remove it, or write it anew with `ser-study evaluate {plan.name} --words FILE`"
        ) from None
    return words


def _check(words: RecognisedWords, plan: Plan) -> None:
    """Make sure that everything is of its kind, and of this plan.

    Raises:
        ValueError: something is not.
    """
    sizes = (words.n_utterances, words.n_empty, words.n_words, words.n_edits)
    if not all(type(each) is int and each >= 0 for each in sizes) or words.n_empty > words.n_utterances:
        raise ValueError("numbers of words that are none")
    if not all(isinstance(each, str) for each in (words.manifest, words.digest)):
        raise ValueError("a manifest without name and digest")
    if words.plan != plan.digest() or words.n_utterances != len(plan.utterances):
        raise ValueError("it is of another plan")
    for run in (run for own in words.runs.values() for run in own):
        _check_counts(run, plan)


def _check_counts(run: TestedRun, plan: Plan) -> None:
    """Make sure that a run's counts are of a matrix of the plan's classes with utterances in it.

    Raises:
        ValueError: they are not.
    """
    rows, n_classes = run.counts, len(plan.classes)
    is_square = isinstance(rows, list) and [len(row) for row in rows] == [n_classes] * n_classes
    if not is_square or not all(type(n) is int and n >= 0 for row in rows for n in row):
        raise ValueError(f"counts of {run.run} that are none")
    if not 0 < sum(map(sum, rows)) <= len(plan.utterances):
        raise ValueError(f"counts of {run.run} that are not those of its test part")
