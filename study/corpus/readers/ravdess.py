"""Reads the speech of RAVDESS: `Actor_01/03-01-06-01-02-01-12.wav`, seven numbers in the name of each file.

Source: Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song, 2018: modality (03 is
audio alone), channel (01 is speech, 02 song), emotion, intensity, statement, repetition, actor.
"""

import os
import re
from pathlib import Path

from study.corpus.known_counts import KnownCounts
from study.corpus.readers.files import files_in, not_read, without_pointers, wrong_name
from study.corpus.utterance import NO_VIDEO, Problem, Utterance, Video

FOLDERS = ("", "Audio_Speech_Actors_01-24")
EMOTIONS = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"),
        strict=True,
    )
)
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
KNOWN = KnownCounts({"": {**dict.fromkeys(EMOTIONS.values(), 192), "neutral": 96}}, speakers=24)
WORDS_NOTE = "2 fixed sentences are said in every emotion: words carry nothing about it, and a study of text is chance"

_ACTOR = re.compile(r"Actor_\d\d", re.ASCII)
_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)", re.ASCII)
WITH_SOUND, SILENT, AUDIO_ALONE, SPEECH = "01", "02", "03", "01"


def recognises(path: Path) -> bool:
    """Whether `path` holds Actor_01, Actor_02 ..., itself or in Audio_Speech_Actors_01-24."""
    return bool(_actors(path))


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "RAVDESS"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """The audio recordings of speech, with the films of the same takes where they are there; each actor is a group.

    Films beside these, and songs, which are no speech, are counted and not read. A release names no files, so
    `allow_outside` has no effect.
    """
    folders = _actors(path)
    files, problems = without_pointers(path, [file for folder in folders for file in files_in(folder, ".wav")])
    films = [file for folder in folders for file in files_in(folder, ".mp4")]
    songs: list[Path] = []
    utterances = []
    for file in files:
        match = _NAME.fullmatch(file.stem)
        if match and (match[1], match[2]) == (AUDIO_ALONE, "02"):
            songs.append(file)
        elif (
            match and (match[1], match[2]) == (AUDIO_ALONE, SPEECH) and match[3] in EMOTIONS and match[5] in STATEMENTS
        ):
            utterances.append(_utterance(file, match))
        else:
            problems.append(wrong_name(file, "03-01-06-01-02-01-12.wav"))
    used = {utterance.video.file for utterance in utterances}
    problems += not_read(path, [file for file in films if file not in used], "films of no utterance, or its second one")
    return utterances, [*problems, *not_read(path, songs, "songs are no speech")]


def _actors(path: Path) -> list[Path]:
    """The folders of the actors, of the first place that has some."""
    for place in FOLDERS:
        try:
            names = sorted(name for name in os.listdir(path / place) if _ACTOR.fullmatch(name))
        except (OSError, ValueError):
            continue
        if names:
            return [path / place / name for name in names]
    return []


def _utterance(file: Path, match: re.Match[str]) -> Utterance:
    actor = match[7]
    return Utterance(
        id=file.stem,
        audio=file,
        words=STATEMENTS[match[5]],
        label=EMOTIONS[match[3]],
        speaker=actor,
        group=actor,
        script="scripted",
        video=_film(file),
        where=str(file),
    )


def _film(file: Path) -> Video:
    """The film of the same take, with sound or without; both have the same pictures."""
    films = [file.with_name(f"{modality}{file.stem[2:]}.mp4") for modality in (WITH_SOUND, SILENT)]
    return next((Video(film) for film in films if os.path.isfile(film)), NO_VIDEO)
