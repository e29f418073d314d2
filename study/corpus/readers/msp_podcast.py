"""Reads MSP-Podcast: `Labels/labels_consensus.csv`, `Audios/`, `Transcripts/`.

Source: Lotfian and Busso, Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech from
Existing Podcast Recordings, 2019. The names of folders and columns and the codes were read in public readers of several
releases, not in a release: FileName, EmoClass, SpkrID and Split_Set are needed, other columns are not read. Counts
differ between releases and are not compared.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from study.corpus.quoting import path_text, quoted
from study.corpus.readers.files import LabelRow, Transcripts, first_folder, label_rows, words_in
from study.corpus.readers.labelled_once import labelled_once
from study.corpus.splits import standard_split
from study.corpus.utterance import Problem, Utterance
from study.plurals import counted

# Spelled in both ways by releases.
TABLES = ("labels_consensus.csv", "labels_concensus.csv")
COLUMNS = ("FileName", "EmoClass", "SpkrID", "Split_Set")
CODES = {
    "A": "angry",
    "S": "sad",
    "H": "happy",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
    "X": "undecided",
}
# Of utterances whose labels are withheld, as those of the third test set.
WITHHELD = ("", "unknown", "nan")


def recognises(path: Path) -> bool:
    """Whether `path` holds the table of consensus labels, in the folder Labels."""
    return any(os.path.isfile(path / "Labels" / name) for name in TABLES)


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "MSP-Podcast"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """Every labelled utterance, with its split; utterances whose labels are withheld are counted.

    A speaker is a group. The speaker Unknown is not one person: of each recording (`MSP-PODCAST_0001` of
    `MSP-PODCAST_0001_0008.wav`) the utterances without a speaker are a speaker and a group of their own, and may be by
    a person who is known elsewhere. File names must not lead out of the folder, whatever `allow_outside` says.
    """
    table = next((path / "Labels" / name for name in TABLES if os.path.isfile(path / "Labels" / name)), None)
    rows, problems = label_rows(table or path / "Labels" / TABLES[0], COLUMNS)
    audio, transcripts = first_folder(path, "Audios", "Audio"), Transcripts(first_folder(path, "Transcripts"))
    labelled = (row for row in rows if row["EmoClass"].lower() not in WITHHELD)
    utterances, faults = labelled_once((_utterance(row, audio, transcripts) for row in labelled), "rows")
    return utterances, [
        *problems,
        *faults,
        *_remarks(path, rows, utterances, transcripts.folder),
        *transcripts.remarks(),
    ]


def _utterance(row: LabelRow, audio: Path, transcripts: Transcripts) -> Utterance | Problem:
    name = row["FileName"]
    if not name or name != os.path.basename(name) or not name.isprintable() or "\\" in name or name.startswith("."):
        law = "FileName is the name of a file, as MSP-PODCAST_0001_0008.wav"
        return Problem(row.where, f"{law}; found {quoted(name)}", True, "malformed rows")
    if row["EmoClass"] not in CODES:
        law = f"EmoClass is one of {', '.join(CODES)}"
        return Problem(row.where, f"{law}; found {quoted(row['EmoClass'])}", True, "malformed rows")
    id = Path(name).stem
    speaker = _speaker(row["SpkrID"], id)
    return Utterance(
        id=id,
        audio=audio / name,
        words=transcripts.words(id),
        label=CODES[row["EmoClass"]],
        speaker=speaker,
        group=speaker,
        split=standard_split(words_in(row["Split_Set"])),
        where=row.where,
    )


def _speaker(cell: str, id: str) -> str:
    known = words_in(cell)
    return known if known and known.lower() != "unknown" else f"unknown in {id.rpartition('_')[0] or id}"


def _remarks(path: Path, rows: Sequence[LabelRow], utterances: Sequence[Utterance], transcripts: Path) -> list[Problem]:
    remarks = []
    withheld = Counter(row["Split_Set"] for row in rows if row["EmoClass"].lower() in WITHHELD)
    if withheld:
        splits = ", ".join(f"{n:,} of {quoted(split)}" for split, n in sorted(withheld.items()))
        message = f"labels are withheld of {counted(withheld.total(), 'utterance')}, which are left out: {splits}"
        remarks.append(Problem(path_text(path), message, False, "withheld labels"))
    unknown = sum(utterance.speaker.startswith("unknown in ") for utterance in utterances)
    if unknown:
        message = f"{counted(unknown, 'utterance')} by unknown speakers: those of a recording count as one speaker"
        remarks.append(Problem(path_text(path), message, False, "unknown speakers"))
    if utterances and not os.path.isdir(transcripts):
        message = "there is no folder Transcripts: only audio can be used"
        remarks.append(Problem(path_text(path), message, False, "transcripts"))
    return remarks
