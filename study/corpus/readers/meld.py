"""Reads MELD: a CSV of labels and words for each split, and a clip (mp4) for each utterance.

Source: Poria et al., MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, 2019, and the
names in its archive: `train_sent_emo.csv` and `train_splits/dia0_utt0.mp4`, each beside the other or the clips one
folder below.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from study.corpus.known_counts import KnownCounts
from study.corpus.quoting import path_text, quoted
from study.corpus.readers.files import LabelRow, files_in, first_folder, label_rows, not_read, words_in
from study.corpus.readers.labelled_once import labelled_once
from study.corpus.utterance import NO_VIDEO, Problem, Utterance, Video
from study.plurals import counted

RELEASE_FOLDER = "MELD.Raw"
# The split's name in the release -> its name in this project, and the folder of its clips.
SPLITS = {
    "train": ("train", "train_splits"),
    "dev": ("validation", "dev_splits_complete"),
    "test": ("test", "output_repeated_splits_test"),
}
EMOTIONS = {
    "neutral": "neutral",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
}
KNOWN = KnownCounts(
    {
        split: dict(zip(EMOTIONS.values(), row, strict=True))
        for split, row in {
            "train": (4710, 1743, 683, 1109, 1205, 268, 271),
            "validation": (470, 163, 111, 153, 150, 40, 22),
            "test": (1256, 402, 208, 345, 281, 50, 68),
        }.items()
    },
    part=lambda utterance: utterance.split,
)
COLUMNS = (
    *("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
)
# Clips as they are distributed, or what was converted from them, in the same folder.
FILM = ".mp4"
SUFFIXES = (FILM, ".wav", ".flac")

# "00:16:16,059" in one split, "0:16:16.059" in another.
_TIME = re.compile(r"(\d{1,2}):(\d\d):(\d\d)[,.](\d{1,3})", re.ASCII)
_NUMBER = re.compile(r"\d{1,5}", re.ASCII)


def recognises(path: Path) -> bool:
    """Whether `path` holds one of the tables of labels, itself, in a split's folder, or in MELD.Raw."""
    return _release_in(path) is not None


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "MELD"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """Every labelled utterance, with its split.

    Dialogue ids restart in each split, so an id is `train_dia0_utt0`. The group is the episode (S08E21): dialogues of
    an episode stay together, which the splits of the release do not ensure. Speakers occur in all splits and groups.
    The release names no files, so `allow_outside` has no effect.
    """
    root = _release_in(path) or path
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    for split in SPLITS:
        table = _table(root, split)
        if table is None:
            message = f"there is no {split}_sent_emo.csv; going on without it"
            problems.append(Problem(path_text(root), message, False, "splits"))
            continue
        found, faults = _scan_split(root, split, table)
        utterances += found
        problems += faults
    return utterances, [*problems, *_shared_speakers(root, utterances)]


def _release_in(path: Path) -> Path | None:
    places = (path, path / RELEASE_FOLDER)
    return next((place for place in places if any(_table(place, split) for split in SPLITS)), None)


def _table(root: Path, split: str) -> Path | None:
    name = f"{split}_sent_emo.csv"
    return next((table for table in (root / name, root / split / name) if os.path.isfile(table)), None)


def _scan_split(root: Path, split: str, table: Path) -> tuple[list[Utterance], list[Problem]]:
    clips = SPLITS[split][1]
    folder = first_folder(root, clips, f"{split}/{clips}")
    rows, problems = label_rows(table, COLUMNS)
    utterances, faults = labelled_once((_utterance(row, split, folder) for row in rows), "rows")
    used = {utterance.where for utterance in utterances}
    problems += [*faults, *(fault for row in rows if row.where in used for fault in _time_faults(row))]
    problems += _repaired(table, rows)
    return utterances, [*problems, *_extra_clips(folder, utterances)]


def _utterance(row: LabelRow, split: str, folder: Path) -> Utterance | Problem:
    for column in ("Dialogue_ID", "Utterance_ID", "Season", "Episode"):
        if not _NUMBER.fullmatch(row[column]):
            return Problem(row.where, f"{column} is a number; found {quoted(row[column])}", True, "malformed rows")
    label = EMOTIONS.get(row["Emotion"].lower())
    if label is None:
        law = f"Emotion is one of {', '.join(EMOTIONS)}"
        return Problem(row.where, f"{law}; found {quoted(row['Emotion'])}", True, "malformed rows")
    clip = f"dia{int(row['Dialogue_ID'])}_utt{int(row['Utterance_ID'])}"
    group = f"S{int(row['Season']):02d}E{int(row['Episode']):02d}"
    return Utterance(
        id=f"{split}_{clip}",
        audio=_clip(folder, clip),
        words=words_in(row["Utterance"]),
        label=label,
        speaker=words_in(row["Speaker"]) or f"unknown in {group}",
        group=group,
        split=SPLITS[split][0],
        video=Video(film) if os.path.isfile(film := folder / f"{clip}{FILM}") else NO_VIDEO,
        where=row.where,
    )


def _clip(folder: Path, name: str) -> Path:
    files = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((file for file in files if os.path.isfile(file)), files[0])


def _time_faults(row: LabelRow) -> list[Problem]:
    """A remark on times that are none or do not run forward; the clip is the utterance, so nothing is cut by them."""
    start, end = _seconds(row["StartTime"]), _seconds(row["EndTime"])
    if start is not None and end is not None and start < end:
        return []
    found = f"{quoted(row['StartTime'])} to {quoted(row['EndTime'])}"
    message = f"the times run forward, as 00:16:16,059 to 00:16:21,731; found {found}; the clip is used as it is"
    return [Problem(row.where, message, False, "times of clips")]


def _seconds(text: str) -> float | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]) + float(f"0.{match[4]}")


def _repaired(table: Path, rows: Sequence[LabelRow]) -> list[Problem]:
    repaired = [row for row in rows if row.repaired]
    if not repaired:
        return []
    many = f"{counted(len(repaired), 'row')}, the first {repaired[0].where.rpartition(':')[2]}"
    message = f"bytes of Windows-1252, such as curly quotes, in {many}; they are read as the characters they stand for"
    return [Problem(path_text(table), message, False, "encoding")]


def _extra_clips(folder: Path, utterances: Sequence[Utterance]) -> list[Problem]:
    """A remark that counts clips without a label, such as the second versions `final_videos_testdia0_utt0.mp4`."""
    named = {file for utterance in utterances for file in (utterance.audio, utterance.video.file)}
    extra = [file for file in files_in(folder, FILM) if file not in named]
    return not_read(folder, extra, "no row of the table names them")


def _shared_speakers(root: Path, utterances: Sequence[Utterance]) -> list[Problem]:
    splits: dict[str, set[str]] = {}
    for utterance in utterances:
        splits.setdefault(utterance.speaker, set()).add(utterance.split)
    shared = sum(len(found) > 1 for found in splits.values())
    if not shared:
        return []
    message = f"{shared:,} of {counted(len(splits), 'speaker')} are in more than one split of the release"
    return [Problem(path_text(root), message, False, "speakers in two splits")]
