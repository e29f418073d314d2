"""Reads CREMA-D: `AudioWAV/1001_DFA_ANG_XX.wav`, actor, sentence, emotion and level in the name of each file.

Source: Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, 2014, and the names of its repository.
The label is the emotion that the actor was asked for, not what raters recognised.
"""

import os
import re
from pathlib import Path

from study.corpus.known_counts import KnownCounts
from study.corpus.readers.files import files_in, first_folder, without_pointers, wrong_name
from study.corpus.utterance import Problem, Utterance

FOLDER = "AudioWAV"
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
KNOWN = KnownCounts({"": {**dict.fromkeys(EMOTIONS.values(), 1271), "neutral": 1087}}, speakers=91)
WORDS_NOTE = "12 fixed sentences are said in every emotion: words carry nothing about it, and a study of text is chance"
# The release has this recording without any sound.
SILENT = ("1076_MTI_SAD_XX",)

# One file of the release has X as its level.
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)", re.ASCII)


def recognises(path: Path) -> bool:
    """Whether `path` holds the folder AudioWAV, or is it."""
    return os.path.isdir(path / FOLDER) or (path.name == FOLDER and os.path.isdir(path))


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "CREMA-D"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """The recordings of the release; each actor is a group. It names no files, so `allow_outside` has no effect."""
    folder = first_folder(path, FOLDER, "")
    files, problems = without_pointers(folder, files_in(folder, ".wav"))
    utterances = []
    for file in files:
        match = _NAME.fullmatch(file.stem)
        if not match or match[2] not in SENTENCES or match[3] not in EMOTIONS:
            problems.append(wrong_name(file, "1001_DFA_ANG_XX.wav"))
            continue
        if file.stem in SILENT:
            message = f"{file.stem} has no sound in the release; leave it out by a manifest without it"
            problems.append(Problem(str(file), message, False, "silent utterances"))
        speaker, sentence, emotion = match[1], SENTENCES[match[2]], EMOTIONS[match[3]]
        utterances.append(
            Utterance(file.stem, file, sentence, emotion, speaker, speaker, script="scripted", where=str(file))
        )
    return utterances, problems
