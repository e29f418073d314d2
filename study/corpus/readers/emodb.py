"""Reads EmoDB, the Berlin Database of Emotional Speech: `wav/03a01Fa.wav`.

The name has the speaker (03), the sentence (a01), the emotion by its German letter (F, Freude) and the take.

Source: Burkhardt et al., A Database of German Emotional Speech, 2005.
"""

import os
import re
from pathlib import Path

from study.corpus.known_counts import KnownCounts
from study.corpus.readers.files import files_in, without_pointers, wrong_name
from study.corpus.utterance import Problem, Utterance

FOLDER = "wav"
# Wut (Ärger), Langeweile, Ekel, Angst, Freude, Trauer, neutral: W and L, and A and F, are not the English letters.
LETTERS = {"W": "angry", "L": "bored", "E": "disgust", "A": "fear", "F": "happy", "T": "sad", "N": "neutral"}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
KNOWN = KnownCounts(
    {"": {"angry": 127, "bored": 81, "neutral": 79, "happy": 71, "fear": 69, "sad": 62, "disgust": 46}}, speakers=10
)
WORDS_NOTE = "10 fixed sentences are said in every emotion: words carry nothing about it, and a study of text is chance"

_NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])[a-z]?", re.ASCII)


def recognises(path: Path) -> bool:
    """Whether `path` has a folder wav with a file that is named as 03a01Fa.wav is."""
    try:
        return any(_NAME.fullmatch(Path(name).stem) for name in os.listdir(path / FOLDER) if name.endswith(".wav"))
    except (OSError, ValueError):
        return False


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "EmoDB"


def scan(path: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """The recordings; each speaker is a group. A release names no files, so `allow_outside` has no effect."""
    files, problems = without_pointers(path, files_in(path / FOLDER, ".wav"))
    utterances = []
    for file in files:
        match = _NAME.fullmatch(file.stem)
        if not match or match[2] not in SENTENCES or match[3] not in LETTERS:
            problems.append(wrong_name(file, "03a01Fa.wav"))
            continue
        speaker, words, label = match[1], SENTENCES[match[2]], LETTERS[match[3]]
        utterances.append(
            Utterance(file.stem, file, words, label, speaker, speaker, script="scripted", where=str(file))
        )
    return utterances, problems
