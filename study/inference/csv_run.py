"""Predictions as a CSV file that grows while a run goes on, and that the same run, begun again, completes.

A recording has a row; one that is read in windows has a row for each, and then one for their mean. Rows of equal `key`
are of an equal recording, equal words and an equal model: they are not computed again. What could not be predicted has
a row with the reason, and is tried again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from study.corpus.quoting import path_text
from study.errors import UserError
from study.files import append_durably, write_file
from study.inference.batch import Outcome, key_of, outcomes
from study.inference.inputs import Item
from study.inference.predictor import Predictor, Window
from study.plurals import counted
from study.report.cells import csv_text

BEFORE = ("file_name", "utterance_id", "start", "end", "label", "score", "recognised")
AFTER = ("note", "reason", "key")
Cells = list[str]


@dataclass(frozen=True)
class CsvRun:
    """How many items a run had, how many of them an earlier run had done, and how many have a reason instead."""

    n_items: int
    n_before: int
    n_failed: int


def run_to_csv(
    path: Path,
    predictor: Predictor,
    items: Sequence[Item],
    window_seconds: float | None,
    on_progress: Callable[[int, int], None],
) -> CsvRun:
    """Predict on the items that `path` does not have yet; in the end it has all of them, in their order.

    Raises:
        UserError: `path` is another file than such a run writes, or has rows of other recordings or another model.
    """
    classes = predictor.config.classes
    heading = [*BEFORE, *(f"p_{name}" for name in classes), *AFTER]
    digest = predictor.digest
    keys = [key_of(item, digest, window_seconds) for item in items]
    found_before = {key: rows for key, rows in _rows_of(path, heading).items() if _is_whole(rows)}
    known = {key: rows for key, rows in found_before.items() if key in set(keys)}
    _require_own(path, items, found_before, known)
    left = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
    write_file(path, csv_text(heading, (row for rows in known.values() for row in rows)))
    n_before, n_failed, found = len(keys) - len(left), 0, dict(known)
    on_progress(n_before, len(keys))
    for key, outcome in zip(left, outcomes(predictor, list(left.values()), window_seconds), strict=True):
        text = csv_text((), rows := list(_rows(outcome, classes, key))).partition("\r\n")[2]
        append_durably(path, text.encode())
        found[key] = [[str(cell) for cell in row] for row in rows]
        n_failed += outcome.prediction is None
        on_progress(len(found), len(keys))
    write_file(path, csv_text(heading, (row for key in dict.fromkeys(keys) for row in found[key])))
    return CsvRun(len(keys), n_before, n_failed)


def _require_own(
    path: Path, items: Sequence[Item], found: Mapping[str, list[Cells]], known: Mapping[str, list[Cells]]
) -> None:
    """Make sure that an earlier run's rows are of these recordings; one that was changed since is predicted again.

    Raises:
        UserError: rows are of others, or none is of this model and these words: they would be lost.
    """
    names = {(item.file_name, item.utterance.id if item.utterance else "") for item in items}
    n_others = sum((rows[-1][0], rows[-1][1]) not in names for rows in found.values())
    if found and not known:
        n_others = len(found)
    if n_others:
        raise UserError(
            f"--csv goes on with the file of the same recordings and words, by the same model, --window and --asr, and "
            f"{path_text(path)} has {counted(n_others, 'recording')} of others, which would be lost; name another file"
        )


def _rows(outcome: Outcome, classes: Sequence[str], key: str) -> Iterator[Cells]:
    utterance, prediction = outcome.item.utterance, outcome.prediction
    id = utterance.id if utterance else ""
    if prediction is None:
        yield [outcome.item.file_name, id, *[""] * (len(BEFORE) - 2 + len(classes)), "", outcome.reason, key]
        return
    windows = prediction.windows if len(prediction.windows) > 1 else ()
    # The mean comes last: rows of a recording that end without it were cut by a kill.
    whole = Window(prediction.probabilities, words=prediction.words)
    for each, notes in [*((window, window.notes) for window in windows), (whole, prediction.notes)]:
        probabilities = each.probabilities
        best = max(range(len(classes)), key=probabilities.__getitem__)
        shown = ["" if second is None else f"{second:.3f}" for second in (each.start, each.end)]
        shares = [f"{share:.6f}" for share in probabilities]
        found = [*shown, classes[best], shares[best], each.words or "", *shares, "; ".join(notes)]
        yield [outcome.item.file_name, id, *found, "", key]


def _is_whole(rows: Sequence[Cells]) -> bool:
    """Whether the rows of a recording end with their mean, and have no reason in its place."""
    start, reason = rows[-1][BEFORE.index("start")], rows[-1][AFTER.index("reason") - len(AFTER)]
    return not start and not reason


def _rows_of(path: Path, heading: Sequence[str]) -> Mapping[str, list[Cells]]:
    """The whole rows that an earlier run left, by key; a last line that a kill cut is left out."""
    if not path.exists():
        return {}
    law = f"--csv expects a new file, or one that such a run of a model with these classes began; {path_text(path)}"
    try:
        text = path.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise UserError(f"{law} cannot be read ({type(error).__name__}); name another file") from None
    try:
        rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
    except csv.Error as error:
        raise UserError(f"{law} is none ({error}); name another file") from None
    if text and (not rows or rows[0] != list(heading)):
        raise UserError(f"{law} has another heading; name another file")
    found: dict[str, list[Cells]] = {}
    for row in rows[1:]:
        if len(row) == len(heading):
            found.setdefault(row[-1], []).append(row)
    return found
