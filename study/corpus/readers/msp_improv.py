"""Reads MSP-IMPROV: `Evalution.txt` (so spelled), audio by session, words in `All_human_transcriptions`.

Source: Busso et al., MSP-IMPROV: An Acted Corpus of Dyadic Interactions to Study Emotion Perception, 2017. The release
was not at hand. Read in several public readers, which agree: the spelling of the label file (some copies have
Evaluation.txt); its lines, `UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.9; V:3.1; D:3.0 ; N:3.7;` and one line for each
rater below; files named MSP-IMPROV- instead; the folders `session1/S01A/P/`; that the fourth part of a name is the
speaker, of whom the digits are the session; the codes of emotions; R for read sentences; and the counts of four
emotions. In one of them: that T is for target sentences within an improvisation, S for the other turns of
improvisations, P for talk between recordings.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from study.corpus.known_counts import KnownCounts
from study.corpus.quoting import path_text, quoted
from study.corpus.readers.files import Transcripts, first_folder, repaired_text
from study.corpus.readers.labelled_once import labelled_once
from study.corpus.utterance import Problem, Utterance
from study.plurals import counted

TABLES = ("Evalution.txt", "Evaluation.txt")
FIRST_SESSION = ("Audio/session1", "session1")
WORDS = ("Human_transcriptions/All_human_transcriptions", "All_human_transcriptions")
CODES = {"A": "angry", "H": "happy", "S": "sad", "N": "neutral", "O": "other", "X": "undecided"}
RATINGS = {"Angry": "angry", "Happy": "happy", "Sad": "sad", "Neutral": "neutral", "Other": "other"}
# Labels without a majority, and their number, are not in the published table.
KNOWN = KnownCounts({"": {"angry": 792, "happy": 2644, "sad": 885, "neutral": 3477}}, speakers=12)

_NAME = re.compile(r"UTD-IMPROV-((S\d\d[AHSN])-([FM]0(\d))-([PRST])-[FM]{1,2}\d{2,3})", re.ASCII)


def recognises(path: Path) -> bool:
    """Whether `path` holds the label file and folders of sessions, itself or in Audio."""
    has_labels = any(os.path.isfile(path / name) for name in TABLES)
    return has_labels and any(os.path.isdir(path / place) for place in FIRST_SESSION)


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "MSP-IMPROV"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """Every labelled turn; a session, with its two speakers, is a group.

    Read sentences (R) are scripted, all others improvised; target sentences are the same in several turns all the same.
    A release names no files, so `allow_outside` has no effect.
    """
    table = next((path / name for name in TABLES if os.path.isfile(path / name)), path / TABLES[0])
    text, problems = _text(table)
    audio, transcripts = first_folder(path, *FIRST_SESSION).parent, Transcripts(first_folder(path, *WORDS))
    found = (
        _utterance(line, ratings, audio, transcripts, f"{path_text(table)}:{number}")
        for number, line, ratings in _turns(text.split("\n"))
    )
    utterances, faults = labelled_once(found, "lines")
    return utterances, [*problems, *faults, *_missing_words(path, utterances), *transcripts.remarks()]


def _text(table: Path) -> tuple[str, list[Problem]]:
    try:
        return repaired_text(table.read_bytes() if os.path.isfile(table) else b"")[0], []
    except OSError as error:
        return "", [Problem(path_text(table), f"the file cannot be read: {error.strerror}", True, "label files")]


def _turns(lines: Sequence[str]) -> Iterator[tuple[int, str, Sequence[str]]]:
    """The number and text of each line that names a turn, and the raters' lines below it."""
    starts = [index for index, line in enumerate(lines) if line.startswith("UTD-")]
    for start, following in zip(starts, [*starts, len(lines)][1:], strict=True):
        yield start + 1, lines[start].strip(), lines[start + 1 : following]


def _utterance(
    line: str, ratings: Sequence[str], audio: Path, transcripts: Transcripts, where: str
) -> Utterance | Problem:
    fields = [field.strip() for field in line.split(";")]
    match = _NAME.fullmatch(fields[0].removesuffix(".avi"))
    if not match:
        law = "expected a turn such as UTD-IMPROV-S01A-F01-P-FM01.avi; N;"
        return Problem(where, f"{law} found {quoted(line)}", True, "malformed lines")
    if len(fields) < 2 or fields[1] not in CODES:
        law = f"expected a label among {', '.join(CODES)}"
        return Problem(where, f"{law}; found {quoted(line)}", True, "malformed lines")
    id, sentence, speaker, session, scenario = f"MSP-IMPROV-{match[1]}", *match.group(2, 3, 4, 5)
    return Utterance(
        id=id,
        audio=audio / f"session{session}" / sentence / scenario / f"{id}.wav",
        words=transcripts.words(id),
        label=CODES[fields[1]],
        speaker=speaker,
        group=f"session{session}",
        script="scripted" if scenario == "R" else "improvised",
        votes=_votes(ratings),
        where=where,
    )


def _votes(ratings: Sequence[str]) -> dict[str, int]:
    """How many raters chose each emotion; the second cell of a line is the rater's choice of one."""
    chosen = Counter(RATINGS.get(line.split(";")[1].strip(), "") for line in ratings if line.count(";") > 1)
    return {label: n for label, n in sorted(chosen.items()) if label}


def _missing_words(path: Path, utterances: Sequence[Utterance]) -> list[Problem]:
    silent = sum(not utterance.words for utterance in utterances)
    if not silent:
        return []
    message = f"{counted(silent, 'utterance')} have no transcription ({WORDS[0]}); their words are left empty"
    return [Problem(path_text(path), message, False, "missing transcriptions")]
