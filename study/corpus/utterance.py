"""The data of a corpus in any layout: utterances, classes, and the problems found while reading."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The file of an utterance whose corpus names none.
NO_FILE = Path()
# Which part of the picture shows the speaker of an utterance.
WHOLE, LEFT, RIGHT = "", "left", "right"
# How a reader names the speaker of an utterance where the corpus does not.
UNKNOWN_SPEAKER = "unknown in "


@dataclass(frozen=True, slots=True)
class Ratings:
    """Continuous annotations of an utterance, on the scale of its corpus; None where there is none."""

    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None


NO_RATINGS = Ratings()


@dataclass(frozen=True, slots=True)
class Video:
    """Where the film of an utterance is: the file, the seconds in it, and the part of its picture.

    `file` is NO_FILE where there is no film; `start` and `end` are both None where all of the file is the utterance.
    `crop` is LEFT or RIGHT where one half of the picture shows the speaker and the other one somebody else.
    """

    file: Path = NO_FILE
    start: float | None = None
    end: float | None = None
    crop: str = WHOLE


NO_VIDEO = Video()


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech by one speaker, with its words and its emotion label.

    `audio` is the file that holds it, NO_FILE in a corpus of words alone; `start` and `end` are seconds into that file,
    both None when the file is the utterance. `group` is the unit that is held out (session, show, ...); where a study
    holds out another one, `home` is the group that the corpus gives. `script` is "scripted", "improvised" or "" where
    unknown. `votes` counts the annotators' choices by class, where known. `split` is the part to which the corpus
    itself assigns it: "train", "validation", "test", the name of another test set, or "" where it assigns none.
    `words` may be empty (laughter, or a corpus without texts): encoders must still return at least one frame.
    `ratings` and `language` are kept where known; no study uses them yet, so that no digest depends on them.
    `video` is its film, NO_VIDEO where it has none. `where` is the file and line it was read from, for messages; it is
    not compared.
    """

    id: str
    audio: Path
    words: str
    label: str
    speaker: str
    group: str
    start: float | None = None
    end: float | None = None
    script: str = ""
    votes: Mapping[str, int] = field(default_factory=dict)
    split: str = ""
    ratings: Ratings = NO_RATINGS
    language: str = ""
    video: Video = NO_VIDEO
    where: str = field(default="", compare=False)
    home: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a corpus: where (file:line), what it is and what to do, and whether it stops a study.

    Problems of one `kind` are listed together and shortened together.
    """

    where: str
    message: str
    fatal: bool
    kind: str = "other"

    def __str__(self) -> str:
        """The problem as one line."""
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Corpus:
    """Utterances in a fixed order, and the classes in the order of the models' outputs.

    `notes` are short sentences for the user on what was dropped or merged while reading. `has_given_parts` is whether
    its groups are the parts of a division that it comes with; speakers may be in several, and `notes` count them.
    """

    name: str
    classes: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    notes: tuple[str, ...] = ()
    has_given_parts: bool = False

    def counts(self) -> dict[str, int]:
        """Utterances per class, in class order."""
        found = Counter(utterance.label for utterance in self.utterances)
        return {name: found[name] for name in self.classes}

    def groups(self) -> tuple[str, ...]:
        """The groups (sessions), sorted by name."""
        return tuple(sorted({utterance.group for utterance in self.utterances}))

    def digest(self, with_votes: bool = False) -> str:
        """sha256 over ids, labels, words, speakers, groups and splits: what results depend on except the features.

        Over votes too for a study that uses them. It is that of the corpus, whatever a study of it holds out.
        """
        return _digest("\x1f".join(_identity(u) + (_votes(u) if with_votes else ())) for u in self.utterances)

    def has_digest(self, digest: str | None) -> bool:
        """Whether a study of this corpus has this digest, with votes or without."""
        return digest in (self.digest(), self.digest(with_votes=True))


def _identity(utterance: Utterance) -> tuple[str, ...]:
    u = utterance
    # A split is part of it only where known, so that corpora without splits keep the digests of older releases.
    return (u.id, u.label, u.words, u.speaker, u.home or u.group, u.script, *([u.split] if u.split else []))


def _votes(utterance: Utterance) -> tuple[str, ...]:
    return tuple(f"{name}={n}" for name, n in sorted(utterance.votes.items()) if n)


def _digest(lines: Iterable[str]) -> str:
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode() + b"\x1e")
    return state.hexdigest()
