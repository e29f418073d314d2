"""Manifests that cost little to encode: speakers in shows, three classes, parts of a split."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

CLASSES = {"angry": "out of my house now", "happy": "a lovely sunny morning", "sad": "she left with no word"}
COMMON = "the form is on this desk and it was never said before".split()
HEADER = ("utterance_id", "label", "text", "speaker", "group", "split")


def write_words(
    folder: Path,
    speakers: Mapping[str, tuple[str, str]],
    utterances: int = 6,
    *,
    known: bool = True,
    tones: bool = False,
) -> Path:
    """A manifest.csv of so many `utterances` by each speaker, given the group and the split of each.

    Words say something of the class. Speakers are left out where they are not `known`. With `tones` there are
    recordings of .2 s, whose pitch says something of it, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = random.Random(1), []
    for speaker, (group, split) in speakers.items():
        for number in range(utterances):
            label = list(CLASSES)[number % 3]
            words = [rng.choice(CLASSES[label].split() if rng.random() < 0.4 else COMMON) for _ in range(5)]
            id = f"{speaker}-{number}"
            file = [_tone(folder, id, 200 + 150 * (number % 3) + rng.randrange(150))] if tones else []
            rows.append([id, label, " ".join(words), speaker if known else "", group, split, *file])
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*HEADER, *(["file_name"] if tones else [])], *rows])
    return path


def _tone(folder: Path, name: str, pitch_hz: int) -> str:
    samples = 0.2 * np.sin(2 * np.pi * pitch_hz * np.arange(3200) / 16_000)
    soundfile.write(folder / f"{name}.wav", samples, 16_000)
    return f"{name}.wav"
