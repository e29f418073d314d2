"""Which utterances a model was trained on, as digests: whether those of another corpus were among them.

Digests are of ids and of what the model reads: decoded samples; films, for a model that reads film alone; or words, for
one that reads nothing else. They are salted, short, and in the order of their values. No recording can be made of its
digest. An id or a sentence that is guessed can be looked for, so words are left out wherever samples are there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.corpus.plain_words import plain_words
from study.corpus.utterance import NO_FILE, Utterance
from study.errors import UserError
from study.features.content import file_digest
from study.inference.own_samples import own_samples
from study.inference.threads import one_core_each

FORMAT = 1
BYTES = 8
MOST_UTTERANCES = 10_000_000
# Called with the recordings that are read, and their number.
OnRead = Callable[[int, int], None]


@dataclass(frozen=True)
class Overlap:
    """How many utterances were in a model's training corpus, and how many may have been.

    `n_equal` have a recording of it (for a model that reads film or words alone, its film or its words); `n_same_id`
    an id of it, and a recording that is not equal to the bit: another one, or that one in another format.
    """

    n_utterances: int
    n_equal: int
    n_same_id: int


@dataclass(frozen=True)
class TrainedOn:
    """The digests of a training corpus: of ids, and of `recordings` (or films) or, where none are read, of `words`."""

    salt: str
    ids: frozenset[str]
    recordings: frozenset[str]
    words: frozenset[str]

    @staticmethod
    def of(utterances: Sequence[Utterance], salt: str, *, reads: Collection[str], on_read: OnRead) -> TrainedOn:
        """The digests of utterances for a model that reads these modalities; what cannot be read has its id alone."""
        by = known_by(reads)
        lists = {"recordings": frozenset[str](), "words": frozenset[str]()}
        lists[by.kept_as] = frozenset(filter(None, by.digests(utterances, salt, on_read)))
        return TrainedOn(salt, frozenset(_digest(salt, utterance.id.encode()) for utterance in utterances), **lists)

    def overlap(self, utterances: Sequence[Utterance], *, reads: Collection[str], on_read: OnRead) -> Overlap:
        """How many of these utterances were in the training corpus."""
        by = known_by(reads)
        trained: frozenset[str] = getattr(self, by.kept_as)
        equal = [digest in trained for digest in by.digests(utterances, self.salt, on_read)]
        known = [_digest(self.salt, utterance.id.encode()) in self.ids for utterance in utterances]
        n_same_id = sum(by_id and not is_equal for by_id, is_equal in zip(known, equal, strict=True))
        return Overlap(len(utterances), sum(equal), n_same_id)

    @property
    def digest(self) -> str:
        """sha256 of trained_on.json: a config says which one belongs to it."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()

    def to_text(self) -> str:
        """The content of trained_on.json."""
        lists = {name: sorted(getattr(self, name)) for name in ("ids", "recordings", "words")}
        return json.dumps({"format": FORMAT, "salt": self.salt, **lists}, indent=0) + "\n"


def trained_on_of(text: str | bytes) -> TrainedOn:
    """What `to_text` gave.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("values that are nested too deeply") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("salt"), str):
        raise ValueError(f"no digests of format {FORMAT}")
    return TrainedOn(found["salt"], *(_digests(found.get(name)) for name in ("ids", "recordings", "words")))


def _digests(found: Any) -> frozenset[str]:
    if not isinstance(found, list) or len(found) > MOST_UTTERANCES or not all(isinstance(each, str) for each in found):
        raise ValueError("digests that are no list of texts")
    return frozenset(found)


def _recordings(utterances: Sequence[Utterance], salt: str, on_read: OnRead) -> Iterator[str]:
    """The digest of each recording's samples in 16 bits, and of their rate; empty for one that cannot be read."""

    def digest(utterance: Utterance) -> str:
        if utterance.audio == NO_FILE:
            return ""
        try:
            samples, rate_hz = own_samples(utterance)
        except UserError:
            return ""
        levels = (samples * 2**15).round().clamp(-(2**15), 2**15 - 1).short().numpy()
        return _digest(salt, str(rate_hz).encode(), levels.tobytes())

    with one_core_each() as threads:
        for number, found in enumerate(threads.map(digest, utterances), start=1):
            on_read(number, len(utterances))
            yield found


def _films(utterances: Sequence[Utterance], salt: str, on_read: OnRead) -> Iterator[str]:
    """The digest of each film's bytes, and of the utterance's part of it; empty for one that cannot be read."""
    for number, video in enumerate((utterance.video for utterance in utterances), start=1):
        try:
            content = file_digest(video.file) if video.file != NO_FILE else ""
        except OSError:
            content = ""
        on_read(number, len(utterances))
        part = f"{video.start} {video.end} {video.crop}"
        yield _digest(salt, content.encode(), part.encode()) if content else ""


def _words(utterances: Sequence[Utterance], salt: str, on_read: OnRead) -> Iterator[str]:
    """The digest of each utterance's words without case and punctuation; empty where it has none."""
    for utterance in utterances:
        words = plain_words(utterance.words)
        yield _digest(salt, " ".join(words).encode()) if words else ""


def _digest(salt: str, *contents: bytes) -> str:
    state = hashlib.blake2b(digest_size=BYTES, key=hashlib.sha256(salt.encode()).digest())
    for content in contents:
        state.update(content + b"\x1f")
    return state.hexdigest()


@dataclass(frozen=True)
class KnownBy:
    """By what utterances are known again: its name for people, the list that keeps it, and the digest of each."""

    what: str
    kept_as: str
    digests: Callable[[Sequence[Utterance], str, OnRead], Iterator[str]]


# By modality; a model's utterances are known by the first of them that it reads.
KNOWN_BY: Mapping[str, KnownBy] = {
    "audio": KnownBy("recordings", "recordings", _recordings),
    "video": KnownBy("films", "recordings", _films),
    "text": KnownBy("words", "words", _words),
}


def known_by(reads: Collection[str]) -> KnownBy:
    """By what the utterances of a model that reads these modalities are known again."""
    return next(by for modality, by in KNOWN_BY.items() if modality in reads)
