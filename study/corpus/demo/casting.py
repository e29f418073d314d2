"""Who says which sentence in which emotion: the plan of the demo corpus, before anything is spoken.

Words and voice are drawn apart, given the emotion: often the words are open and only the voice tells, often the
voice is flat and only the words tell, and sometimes one of them suggests another emotion (irony, a brave face).
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
# Utterances per class in each session, in the order of CLASSES: uneven like acted dialogue is.
COUNTS: Mapping[str, tuple[int, ...]] = {
    "Ses01": (22, 12, 15, 18, 33, 28, 7),
    "Ses02": (15, 13, 20, 19, 33, 32, 7),
    "Ses03": (22, 14, 15, 26, 30, 34, 7),
    "Ses04": (26, 9, 21, 15, 27, 39, 7),
    "Ses05": (17, 14, 25, 22, 34, 34, 7),
}
# How often an emotion is put in words that suggest ...; "open" words suit every mood.
WORDS: Mapping[str, Mapping[str, float]] = {
    "angry": {"angry": 0.47, "frustrated": 0.20, "open": 0.24, "neutral": 0.03, "happy": 0.06},
    "happy": {"happy": 0.51, "excited": 0.20, "open": 0.22, "neutral": 0.04, "sad": 0.03},
    "excited": {"excited": 0.51, "happy": 0.19, "open": 0.22, "neutral": 0.05, "surprise": 0.03},
    "sad": {"sad": 0.56, "frustrated": 0.09, "open": 0.27, "neutral": 0.04, "happy": 0.04},
    "neutral": {"neutral": 0.62, "open": 0.27, "frustrated": 0.06, "sad": 0.02, "happy": 0.03},
    "frustrated": {"frustrated": 0.50, "angry": 0.17, "open": 0.23, "neutral": 0.05, "happy": 0.05},
    "surprise": {"surprise": 0.60, "open": 0.22, "excited": 0.06, "angry": 0.12},
}
# How often an emotion is put in a voice that sounds like ...
VOICES: Mapping[str, Mapping[str, float]] = {
    "angry": {"angry": 0.66, "frustrated": 0.19, "neutral": 0.15},
    "happy": {"happy": 0.66, "excited": 0.22, "neutral": 0.12},
    "excited": {"excited": 0.66, "happy": 0.22, "neutral": 0.12},
    "sad": {"sad": 0.82, "frustrated": 0.08, "neutral": 0.10},
    "neutral": {"neutral": 0.88, "sad": 0.02, "frustrated": 0.06, "happy": 0.04},
    "frustrated": {"frustrated": 0.65, "angry": 0.19, "neutral": 0.16},
    "surprise": {"surprise": 0.82, "excited": 0.06, "neutral": 0.12},
}
# A flat voice is this much rarer where the words do not tell the emotion either.
FLAT_VOICE_WITHOUT_TELLING_WORDS = 0.15
SCRIPTED_DIALOGS = ("script01_1", "script01_2", "script02_1", "script02_2")
IMPROVISED_DIALOGS = ("impro01", "impro02", "impro03", "impro04", "impro05", "impro06")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words, the emotion they suggest ("open" if none), and whether every session performs them ("scripted")."""

    script: str
    suggests: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance to be spoken: its row of the manifest, and the class its voice shall sound like."""

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
    """Every utterance of the corpus, dialog after dialog; the same lines for the same sentences and seed.

    Sentences that no session needs stay unspoken.

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
    """The whole script once, in fixed roles; how a sentence is meant may differ from session to session."""
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
    """What is left of each class, in sentences used once and never again, shared out between the two speakers."""
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
        shares["neutral"] *= FLAT_VOICE_WITHOUT_TELLING_WORDS
    return _draw(rng, shares)


def _lines(group: str, dialogs: Sequence[str], parts: Sequence[_Part]) -> Iterator[Line]:
    """Lines with ids like IEMOCAP's: session, who wore the markers, dialog, then who speaks and a running number.

    As there, the speaker is the letter of the last field; the first letter says nothing about the speaker.
    """
    for number, (dialog, places) in enumerate(
        zip(dialogs, np.array_split(np.arange(len(parts)), len(dialogs)), strict=True)
    ):
        said: Counter[str] = Counter()
        for part in (parts[place] for place in places):
            yield Line(
                utterance_id=f"{group}{'FM'[number % 2]}_{dialog}_{part.gender}{said[part.gender]:03d}",
                label=part.label,
                text=part.sentence.text,
                speaker=f"{int(group[-2:])}{part.gender}",
                group=group,
                script=part.sentence.script,
                sounds=part.sounds,
            )
            said[part.gender] += 1


def _draw(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))
