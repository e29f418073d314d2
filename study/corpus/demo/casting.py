"""The plan of the demo corpus: which speaker says which sentence with which emotion.

Words and voice are drawn independently, given the emotion: often the words suit every emotion and only the voice is
informative, often the voice is flat and only the words are, and sometimes one of them suggests another emotion.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.errors import UserError

SEED = 7
CLASSES = ("angry", "happy", "excited", "sad", "neutral", "frustrated", "surprise")
# Utterances per class in each session, in the order of CLASSES: as uneven as in acted dialogue.
COUNTS: Mapping[str, tuple[int, ...]] = {
    "Ses01": (22, 12, 15, 18, 33, 28, 7),
    "Ses02": (15, 13, 20, 19, 33, 32, 7),
    "Ses03": (22, 14, 15, 26, 30, 34, 7),
    "Ses04": (26, 9, 21, 15, 27, 39, 7),
    "Ses05": (17, 14, 25, 22, 34, 34, 7),
}
# Probability, given an emotion, of words that suggest each class; "open" words suit every emotion.
WORDS: Mapping[str, Mapping[str, float]] = {
    "angry": {"angry": 0.47, "frustrated": 0.20, "open": 0.24, "neutral": 0.03, "happy": 0.06},
    "happy": {"happy": 0.51, "excited": 0.20, "open": 0.22, "neutral": 0.04, "sad": 0.03},
    "excited": {"excited": 0.51, "happy": 0.19, "open": 0.22, "neutral": 0.05, "surprise": 0.03},
    "sad": {"sad": 0.56, "frustrated": 0.09, "open": 0.27, "neutral": 0.04, "happy": 0.04},
    "neutral": {"neutral": 0.62, "open": 0.27, "frustrated": 0.06, "sad": 0.02, "happy": 0.03},
    "frustrated": {"frustrated": 0.50, "angry": 0.17, "open": 0.23, "neutral": 0.05, "happy": 0.05},
    "surprise": {"surprise": 0.60, "open": 0.22, "excited": 0.06, "angry": 0.12},
}
# Probability, given an emotion, of a voice that sounds like each class.
VOICES: Mapping[str, Mapping[str, float]] = {
    "angry": {"angry": 0.66, "frustrated": 0.19, "neutral": 0.15},
    "happy": {"happy": 0.66, "excited": 0.22, "neutral": 0.12},
    "excited": {"excited": 0.66, "happy": 0.22, "neutral": 0.12},
    "sad": {"sad": 0.82, "frustrated": 0.08, "neutral": 0.10},
    "neutral": {"neutral": 0.88, "sad": 0.02, "frustrated": 0.06, "happy": 0.04},
    "frustrated": {"frustrated": 0.65, "angry": 0.19, "neutral": 0.16},
    "surprise": {"surprise": 0.82, "excited": 0.06, "neutral": 0.12},
}
# Factor on the probability of a flat voice if the words do not suggest the emotion either.
FLAT_VOICE_WITH_OTHER_WORDS = 0.15
SCRIPTED_DIALOGS = ("script01_1", "script01_2", "script02_1", "script02_2")
IMPROVISED_DIALOGS = ("impro01", "impro02", "impro03", "impro04", "impro05", "impro06")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words, the emotion they suggest ("open" if none), and "scripted" if every session performs them."""

    script: str
    suggests: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance to be spoken: its row of the manifest, and the class that its voice sounds like."""

    utterance_id: str
    label: str
    text: str
    speaker: str
    group: str
    script: str
    sounds: str


@dataclass(frozen=True, slots=True)
class _Part:
    sentence: Sentence
    label: str
    gender: str
    sounds: str


def read_sentences(path: Path) -> list[Sentence]:
    """The sentences of a CSV file with the columns script, suggests and text, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Sentence(**row) for row in csv.DictReader(file)]


def cast(sentences: Sequence[Sentence], seed: int = SEED) -> list[Line]:
    """Every utterance of the corpus, dialog by dialog; determined by the sentences and the seed.

    Sentences that no session needs are not used.

    Raises:
        UserError: there are too few improvised sentences.
    """
    rng = np.random.default_rng(seed)
    shuffled = [sentences[i] for i in rng.permutation(len(sentences))]
    script = [sentence for sentence in shuffled if sentence.script == "scripted"]
    pool: defaultdict[str, list[Sentence]] = defaultdict(list)
    for sentence in shuffled:
        if sentence.script == "improvised":
            pool[sentence.suggests].append(sentence)
    lines: list[Line] = []
    for group, counts in COUNTS.items():
        left = Counter(dict(zip(CLASSES, counts, strict=True)))
        scripted = list(_scripted(rng, script, left))
        improvised = list(_improvised(rng, pool, left, Counter((p.label, p.gender) for p in scripted)))
        lines += _lines(group, SCRIPTED_DIALOGS, scripted)
        lines += _lines(group, IMPROVISED_DIALOGS, [improvised[i] for i in rng.permutation(len(improvised))])
    return lines


def _scripted(rng: np.random.Generator, script: Sequence[Sentence], left: Counter[str]) -> Iterator[_Part]:
    """The whole script once, in fixed roles; the emotion of a sentence may differ between sessions."""
    for index, sentence in enumerate(script):
        fit = {label: left[label] * WORDS[label].get(sentence.suggests, 0.0) for label in CLASSES}
        label = _draw(rng, fit)
        left[label] -= 1
        yield _Part(sentence, label, "FM"[index % 2], _voice(rng, label, sentence))


def _improvised(
    rng: np.random.Generator,
    pool: Mapping[str, list[Sentence]],
    left: Counter[str],
    spoken: Counter[tuple[str, str]],
) -> Iterator[_Part]:
    """The remaining utterances of each class, each with a sentence of its own, divided between the two speakers."""
    for label in CLASSES:
        for _ in range(left[label]):
            shares = {suggests: share for suggests, share in WORDS[label].items() if pool[suggests]}
            if not shares:
                raise UserError(
                    f"every improvised utterance needs a sentence of its own; sentences.csv has none left for "
                    f"{label!r}; add some that suggest one of: {', '.join(WORDS[label])}"
                )
            suggests = _draw(rng, shares)
            sentence = pool[suggests].pop()
            gender = min("FM", key=lambda letter: spoken[label, letter])
            spoken[label, gender] += 1
            yield _Part(sentence, label, gender, _voice(rng, label, sentence))


def _voice(rng: np.random.Generator, label: str, sentence: Sentence) -> str:
    shares = dict(VOICES[label])
    if label not in (sentence.suggests, "neutral"):
        shares["neutral"] *= FLAT_VOICE_WITH_OTHER_WORDS
    return _draw(rng, shares)


def _lines(group: str, dialogs: Sequence[str], parts: Sequence[_Part]) -> Iterator[Line]:
    """Lines with ids like IEMOCAP's: session, wearer of the markers, dialog, speaker and a running number.

    As there, the letter of the last field is the speaker; the first letter is not.
    """
    for number, (dialog, places) in enumerate(
        zip(dialogs, np.array_split(np.arange(len(parts)), len(dialogs)), strict=True)
    ):
        spoken: Counter[str] = Counter()
        for part in (parts[place] for place in places):
            yield Line(
                utterance_id=f"{group}{'FM'[number % 2]}_{dialog}_{part.gender}{spoken[part.gender]:03d}",
                label=part.label,
                text=part.sentence.text,
                speaker=f"{int(group[-2:])}{part.gender}",
                group=group,
                script=part.sentence.script,
                sounds=part.sounds,
            )
            spoken[part.gender] += 1


def _draw(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))
