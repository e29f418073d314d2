"""The columns of a manifest: their standard names and aliases, and what is wrong with a header."""

from collections.abc import Mapping, Sequence

from study.corpus.quoting import quoted
from study.corpus.utterance import Problem

# Standard name -> its aliases, as public corpora and other tools name them. Case does not matter. Other columns are not
# read.
COLUMNS: dict[str, tuple[str, ...]] = {
    "file_name": ("file", "wav", "path", "filename", "file_path", "filepath", "audio", "audio_path", "wav_path"),
    "utterance_id": ("key", "id", "utt_id", "segment_id"),
    "label": ("emo", "emotion", "emotions", "emoclass", "emotion_label"),
    "text": ("transcription", "utterance", "sentence", "transcript", "words", "wrd"),
    "speaker": ("speaker_id", "spkrid", "spk_id", "spk", "actor", "actor_id", "client_id"),
    "group": ("session", "session_id"),
    "split": ("split_set", "partition", "subset"),
    "fold": (),
    "start": ("starttime", "start_time"),
    "end": ("endtime", "end_time"),
    "script": (),
    "votes": (),
    "valence": ("emoval",),
    "arousal": ("emoact", "activation"),
    "dominance": ("emodom",),
    "language": ("lang", "locale"),
    "video": ("video_path", "video_file", "film"),
    "video_start": (),
    "video_end": (),
    "video_crop": (),
}
REQUIRED = ("file_name", "utterance_id", "label")
# What names something: cells that look the same are the same.
NAMES = ("label", "speaker", "group", "fold", "split", "language")
NUMBERS = ("start", "end", "valence", "arousal", "dominance", "video_start", "video_end")

_MEANINGS = {name: column for column, others in COLUMNS.items() for name in (column, *others)}


def columns_of(names: Sequence[str]) -> dict[str, int]:
    """The index of each standard column. A standard name takes precedence over its aliases, in the order of COLUMNS."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(name.strip().casefold(), place)
    columns = {}
    for column, others in COLUMNS.items():
        present = [name for name in (column, *others) if name in places]
        if present:
            columns[column] = places[present[0]]
    return columns


def header_faults(
    where: str, names: Sequence[str], columns: Mapping[str, int], required: Sequence[str], hint: str = ""
) -> list[Problem]:
    """What is wrong with the names of columns: some are missing, or two have one meaning."""
    faults = [_missing(where, names, columns, column, hint) for column in required if column not in columns]
    for place, name in enumerate(names):
        column = _MEANINGS.get(name.strip().casefold(), "")
        if column and columns[column] != place:
            read = f"column {columns[column] + 1} ({quoted(names[columns[column]])}) is read"
            message = f"column {place + 1} ({quoted(name)}) is also an alias of {column}; {read}"
            faults.append(Problem(where, message, False, "columns"))
    return faults


def _missing(where: str, names: Sequence[str], columns: Mapping[str, int], column: str, hint: str) -> Problem:
    if column == "utterance_id" and "file_name" in columns:
        message = f"there is no column utterance_id ({', '.join(COLUMNS[column])}): names of files are the ids"
        return Problem(where, message, False, "columns")
    law = f"there is no column {column} (also read as {', '.join(COLUMNS[column])})"
    # A corpus may consist of text alone: only variants with an audio input need files.
    fatal = column != "file_name" or "text" not in columns
    use = "" if fatal else "; only variants with text input alone can use this corpus"
    return Problem(where, f"{law}; found {_listed(names)}{hint}{use}", fatal, "columns")


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(quoted(name) for name in names[:20]) + rest
