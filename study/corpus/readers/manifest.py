"""Reads a manifest (.csv, .jsonl): a table of files, words and labels, for any corpus."""

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from study.corpus.quoting import quoted
from study.corpus.readers.manifest_rows import Row, read_rows
from study.corpus.splits import standard_split
from study.corpus.utterance import NO_FILE, Problem, Utterance

SUFFIXES = (".csv", ".jsonl")
SCRIPTS = ("", "scripted", "improvised")


def recognises(path: Path) -> bool:
    """Whether `path` is a file named .csv or .jsonl."""
    return path.suffix.lower() in SUFFIXES and os.path.isfile(path)


def corpus_name(path: Path) -> str:
    """A name that can also name a folder: the file's, or its folder's for `manifest.csv` and `metadata.csv`."""
    name = path.absolute().parent.name if path.stem.lower() in ("manifest", "metadata") else path.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "corpus"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """The utterances of a manifest, and every problem of it.

    Files are relative to the manifest and must be below its folder unless `allow_outside`; only the text of the
    path is checked, so links below the folder may point anywhere. The unit that is held out (`group`) is the first
    of these columns that is not empty: `fold` (given folds are used as they are); `group`; `speaker`, each speaker
    being a group. Without `speaker` each group counts as one unknown speaker. Without `text` all words are empty,
    so only audio can be used; without `file_name` there is no audio, so only text can be used.
    """
    rows, problems = read_rows(path)
    if not rows:
        return [], problems
    unit, remarks = _held_out_column(path, rows)
    problems += remarks
    utterances: list[Utterance] = []
    seen: dict[str, str] = {}
    for row in rows:
        utterance = _utterance(row, path.parent, unit)
        faults = [*_row_faults(row, utterance, unit), *_file_faults(row, allow_outside)]
        if utterance.id in seen:
            message = f"{quoted(utterance.id)} occurs twice, first at {seen[utterance.id]}; ids must be unique"
            faults.append(Problem(row.where, message, True, "duplicate ids"))
        seen.setdefault(utterance.id, row.where)
        problems += faults
        if not any(fault.kind == "duplicate ids" for fault in faults):
            utterances.append(utterance)
    return utterances, problems


def leaves_folder(file_name: str) -> bool:
    """Whether a relative path leads out of the folder it starts from, on any operating system."""
    if file_name.startswith(("/", "\\")) or PureWindowsPath(file_name).drive:
        return True
    depth = 0
    for part in file_name.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _held_out_column(path: Path, rows: Sequence[Row]) -> tuple[str, list[Problem]]:
    filled = {column for row in rows for column, cell in row.cells.items() if cell}
    unit = next((column for column in ("fold", "group", "speaker") if column in filled), "")
    problems = []
    if not unit:
        law = "there is no group: expected a column group (or session), fold or speaker that defines what is held out"
        hint = "; add `group` with the session, show or recording of each row"
        problems.append(Problem(str(path), law + hint, True, "columns"))
    if unit == "speaker":
        message = "there is no column group: every speaker is a group of its own"
        problems.append(Problem(str(path), message, False, "columns"))
    if unit and "speaker" not in filled:
        message = "there is no column speaker: whether a speaker is in two groups cannot be checked"
        problems.append(Problem(str(path), message, False, "columns"))
    if unit and "split" in filled:
        message = f"column split does not define what is held out: every {unit} is held out once"
        problems.append(Problem(str(path), message, False, "columns"))
    if "text" not in filled:
        message = "there is no column text (transcription, utterance, sentence): only audio can be used"
        problems.append(Problem(str(path), message, False, "columns"))
    if unit == "fold":
        problems += _groups_in_two_folds(path, rows)
    return unit, problems


def _groups_in_two_folds(path: Path, rows: Sequence[Row]) -> list[Problem]:
    folds: dict[str, set[str]] = {}
    for row in rows:
        if row["group"]:
            folds.setdefault(row["group"], set()).add(row["fold"])
    return [
        Problem(str(path), f"group {group} is in folds {', '.join(sorted(found))}", False, "groups in two folds")
        for group, found in sorted(folds.items())
        if len(found) > 1
    ]


def _utterance(row: Row, folder: Path, unit: str) -> Utterance:
    """The utterance of a row; `_row_faults` and `_file_faults` report what is wrong with it."""
    group = row[unit]
    return Utterance(
        id=row["utterance_id"],
        audio=folder / row["file_name"] if row["file_name"] else NO_FILE,
        words=" ".join(row["text"].split()),
        label=row["label"],
        speaker=row["speaker"] or f"unknown in {group}",
        group=group,
        start=_seconds(row["start"]),
        end=_seconds(row["end"]),
        script=row["script"] if row["script"] in SCRIPTS else "",
        votes=_votes(row["votes"]) or {},
        split=standard_split(row["split"]),
        where=row.where,
    )


def _row_faults(row: Row, utterance: Utterance, unit: str) -> list[Problem]:
    faults = []
    if unit and not utterance.group:
        faults.append(Problem(row.where, f"{unit} is empty; fill it in as in other rows", True, "empty cells"))
    span = (utterance.start, utterance.end)
    for name, value in zip(("start", "end"), span, strict=True):
        if row[name] and value is None:
            law = f"{name} is in seconds, 0 or more, with a decimal point"
            faults.append(Problem(row.where, f"{law}; found {quoted(row[name])}", True, "start and end"))
    if bool(row["start"]) != bool(row["end"]):
        law = "start and end go together; fill in both, or neither if the file is the utterance"
        faults.append(Problem(row.where, law, True, "start and end"))
    if utterance.start is not None and utterance.end is not None and utterance.end <= utterance.start:
        law = "end must be later than start"
        faults.append(Problem(row.where, f"{law}; found {row['start']} to {row['end']}", True, "start and end"))
    if row["script"] not in SCRIPTS:
        law = "script is scripted, improvised or empty"
        faults.append(Problem(row.where, f"{law}; found {quoted(row['script'])}; taken as empty", False, "script"))
    if _votes(row["votes"]) is None:
        law = 'votes are counts by label, such as {"happy": 2, "excited": 1}'
        faults.append(Problem(row.where, f"{law}; found {quoted(row['votes'])}; not used", False, "votes"))
    return faults


def _file_faults(row: Row, allow_outside: bool) -> list[Problem]:
    if allow_outside or not leaves_folder(row["file_name"]):
        return []
    law = "files must be below the folder of the manifest; pass --allow-outside-files to read others"
    return [Problem(row.where, f"{law}; found {quoted(row['file_name'])}", True, "files outside")]


def _seconds(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _votes(cell: str) -> dict[str, int] | None:
    """Counts by label; empty for an empty cell, None for anything that is not votes."""
    if not cell:
        return {}
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(type(n) is int and n >= 0 for n in found.values()):
        return None
    return found
