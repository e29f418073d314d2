"""Reads a manifest (.csv, .tsv, .jsonl): a table of files, words and labels, for any corpus."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from study.corpus.quoting import quoted
from study.corpus.readers.manifest_cells import is_clock, is_whole_file, number_of, seconds_of, votes_of
from study.corpus.readers.manifest_row import Row
from study.corpus.readers.manifest_rows import read_rows
from study.corpus.readers.manifest_video import video_faults, video_of
from study.corpus.splits import standard_split
from study.corpus.utterance import NO_FILE, UNKNOWN_SPEAKER, Problem, Ratings, Utterance
from study.plurals import counted

SUFFIXES = (".csv", ".tsv", ".jsonl")
SCRIPTS = ("", "scripted", "improvised")
SPAN = ("start", "end")
RATINGS = ("valence", "arousal", "dominance")
# What corpora write where the speaker is not known. They are not one person.
NO_NAMES = ("", "unknown", "unk", "none", "null", "nan", "n/a", "na", "?", "-")


def recognises(path: Path) -> bool:
    """Whether `path` is a file named .csv, .tsv or .jsonl."""
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
    rows, remarks = _without_clocks(path, rows)
    problems += [*remarks, *_unnamed_speakers(path, rows), *_labels_of_nothing(rows)]
    unit, remarks = _held_out_column(path, rows)
    problems += remarks
    utterances: list[Utterance] = []
    seen: dict[str, str] = {}
    for row in rows:
        utterance = _utterance(row, path.parent, unit)
        faults = [*_row_faults(row, utterance, unit), *video_faults(row), *_file_faults(row, allow_outside)]
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
        message = f"column split is what --protocol split holds out; other protocols hold out every {unit} once"
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
    named = row["speaker"].casefold() not in NO_NAMES
    return Utterance(
        id=row["utterance_id"] or _id_by_file(row),
        audio=folder / row["file_name"] if row["file_name"] else NO_FILE,
        words=" ".join(row["text"].split()),
        label=row["label"],
        speaker=row["speaker"] if named else f"{UNKNOWN_SPEAKER}{group}",
        group=group,
        start=seconds_of(row["start"]),
        end=seconds_of(row["end"]),
        script=row["script"] if row["script"] in SCRIPTS else "",
        votes=votes_of(row["votes"]) or {},
        split=standard_split(row["split"]),
        ratings=Ratings(*(number_of(row[name]) for name in RATINGS)),
        language=row["language"],
        video=video_of(row, folder),
        where=row.where,
    )


def _id_by_file(row: Row) -> str:
    """An id from the name of the file, and from the span where the file holds several utterances."""
    name = row["file_name"]
    stem = name[: -len(suffix)] if (suffix := PurePosixPath(name).suffix) else name
    return f"{stem}_{row['start']}-{row['end']}" if row["start"] else stem


def _without_clocks(path: Path, rows: Sequence[Row]) -> tuple[list[Row], list[Problem]]:
    """The rows without spans where these are times of another recording, such as MELD's StartTime of the episode."""
    foreign = [
        row for row in rows for name in SPAN if row.names.get(name, "").casefold() != name and is_clock(row[name])
    ]
    if not foreign:
        return [_without_span(row) if is_whole_file(row["start"], row["end"]) else row for row in rows], []
    names = " and ".join(foreign[0].names.get(name, name) for name in SPAN)
    found = quoted(foreign[0]["start"])
    message = f"{names} are not in seconds but times such as {found}: not read, each file is an utterance"
    return [_without_span(row) for row in rows], [Problem(str(path), message, False, "columns")]


def _without_span(row: Row) -> Row:
    return replace(row, cells={**row.cells, **dict.fromkeys(SPAN, "")})


def _unnamed_speakers(path: Path, rows: Sequence[Row]) -> list[Problem]:
    """A remark on rows without a speaker's name, where others have one."""
    unnamed = [row for row in rows if row["speaker"].casefold() in NO_NAMES]
    if not unnamed or not any(row["speaker"] for row in rows):  # a lack of the column is another remark
        return []
    found = quoted(next((row["speaker"] for row in unnamed if row["speaker"]), ""))
    message = f"{counted(len(unnamed), 'row')} name no speaker ({found}): in each group these count as one unknown"
    return [Problem(unnamed[0].where, message, False, "speakers without a name")]


def _labels_of_nothing(rows: Sequence[Row]) -> list[Problem]:
    """A remark on labels that other programs write where there is none."""
    unnamed = [row for row in rows if row["label"].casefold() in NO_NAMES]
    if not unnamed:
        return []
    found = quoted(unnamed[0]["label"])
    message = (
        f"{counted(len(unnamed), 'row')} labelled {found}: it is a class by itself; a --label-map that does not name "
        "it leaves it out"
    )
    return [Problem(unnamed[0].where, message, False, "labels that name nothing")]


def _row_faults(row: Row, utterance: Utterance, unit: str) -> list[Problem]:
    faults = []
    if unit and not utterance.group:
        faults.append(Problem(row.where, f"{unit} is empty; fill it in as in other rows", True, "empty cells"))
    span = (utterance.start, utterance.end)
    for name, value in zip(SPAN, span, strict=True):
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
    for name in RATINGS:
        if row[name] and number_of(row[name]) is None:
            message = f"{name} is a number with a decimal point; found {quoted(row[name])}; not used"
            faults.append(Problem(row.where, message, False, name))
    if votes_of(row["votes"]) is None:
        law = 'votes are counts by label, such as {"happy": 2, "excited": 1}'
        faults.append(Problem(row.where, f"{law}; found {quoted(row['votes'])}; not used", False, "votes"))
    return faults


def _file_faults(row: Row, allow_outside: bool) -> list[Problem]:
    law = "files must be below the folder of the manifest; pass --allow-outside-files to read others"
    outside = [row[name] for name in ("file_name", "video") if leaves_folder(row[name])]
    return [
        Problem(row.where, f"{law}; found {quoted(found)}", True, "files outside")
        for found in dict.fromkeys(outside)
        if not allow_outside
    ]
