"""The one division that a corpus gives: the parts of its column split become what a study holds out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from study.corpus.folds import Fold, Folds, Groups
from study.corpus.quoting import quoted
from study.corpus.regroup import listed, regroup
from study.corpus.utterance import UNKNOWN_SPEAKER, Corpus, Utterance
from study.errors import UserError
from study.plurals import counted

TRAIN, VALIDATION = "train", "validation"
# The part of train that validates where the corpus has no validation part.
PART_OF_TRAIN = "part of train"
TEST_SET = re.compile(r"test[\w.-]{0,60}", re.IGNORECASE | re.ASCII)
SHARE = 1 / 6
LAW = "train, validation (or dev), or a name that starts with test"


def by_split(corpus: Corpus, folds: Folds = None) -> Corpus:
    """The corpus with the parts of its split as groups; notes say which speakers are in two of them.

    Where it has no validation part, whole speakers of train validate, and a note says so.

    Raises:
        UserError: an utterance has no part, or there is nothing to train on or to test with.
    """
    _require_parts(corpus)
    divided = regroup(corpus, lambda utterance: part_of(utterance.split))
    notes = list[str]()
    if VALIDATION not in divided.groups():
        divided, note = _with_validation(divided)
        notes.append(note)
    notes += _shared_speakers(divided)
    return replace(divided, notes=(*divided.notes, *notes), has_given_parts=True)


def division(groups: Groups, folds: Folds = None) -> tuple[Fold, ...]:
    """The one fold of a corpus whose groups are the parts of its split: every test set is a group of its test part."""
    tests = tuple(sorted(name for name in groups.sizes if TEST_SET.fullmatch(name)))
    validating = tuple(name for name in (VALIDATION, PART_OF_TRAIN) if name in groups.sizes)
    if not tests or len(validating) != 1 or set(groups.sizes) != {*tests, *validating, TRAIN}:
        raise UserError(f"a split has train, validation and test; found {', '.join(sorted(groups.sizes))}")
    return (Fold(0, tests, validating, (TRAIN,)),)


def part_of(split: str) -> str:
    """The part that a split names: "train", "validation", or the name of a test set in lower case; else empty."""
    is_part = split in (TRAIN, VALIDATION) or TEST_SET.fullmatch(split) is not None
    return split.casefold() if is_part else ""


def validating_speakers(counts: Mapping[str, Counter[str]]) -> set[str]:
    """The speakers, given each one's utterances by class, who validate in the place of a validation part.

    Speakers are added one by one, each time the one who brings the classes of the part nearest to a sixth of theirs,
    the first by name of equals, as long as that brings them nearer. At least one validates and one is left.
    """
    total = sum(counts.values(), Counter[str]())
    held, chosen = Counter[str](), set[str]()

    def distance(more: Counter[str]) -> float:
        return sum(abs(held[name] + more[name] - SHARE * n) for name, n in total.items())

    while len(chosen) < len(counts) - 1:
        nearest = min(sorted(set(counts) - chosen), key=lambda speaker: distance(counts[speaker]))
        if chosen and distance(counts[nearest]) >= distance(Counter()):
            break
        chosen.add(nearest)
        held += counts[nearest]
    return chosen


def _require_parts(corpus: Corpus) -> None:
    without = [u for u in corpus.utterances if not part_of(u.split)]
    if without:
        found = listed([f"{u.where or u.id} has {quoted(u.split) if u.split else 'none'}" for u in without])
        raise UserError(
            f"--protocol split needs the part of every utterance in the column split: {LAW}; "
            f"{len(without):,} of {counted(len(corpus.utterances), 'utterance')} have no such part ({found})"
        )
    parts = {part_of(u.split) for u in corpus.utterances}
    if TRAIN not in parts or not parts - {TRAIN, VALIDATION}:
        raise UserError(
            f"--protocol split needs utterances to train on and to test with; {corpus.name} has "
            f"{', '.join(sorted(parts))} in the column split: {LAW}"
        )


def _with_validation(corpus: Corpus) -> tuple[Corpus, str]:
    """The corpus with whole speakers of train as the part that validates, and a note.

    Raises:
        UserError: train has a single speaker.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for u in corpus.utterances:
        if u.group == TRAIN:
            counts[_speaker(u)][u.label] += 1
    if len(counts) < 2:
        raise UserError(
            f"--protocol split lets speakers of train validate where there is no validation part, and train of "
            f"{corpus.name} has one speaker; give some utterances the split validation"
        )
    chosen = validating_speakers(counts)
    taken, size = sum(counts[name].total() for name in chosen), sum(own.total() for own in counts.values())
    note = (
        f"the split has no validation part: {taken} of {counted(size, 'utterance')} of train validate instead of "
        f"training, those of {counted(len(chosen), 'speaker')} ({listed(sorted(chosen))})"
    )
    moved = (
        replace(u, group=PART_OF_TRAIN) if u.group == TRAIN and _speaker(u) in chosen else u for u in corpus.utterances
    )
    return replace(corpus, utterances=tuple(moved)), note


def _shared_speakers(corpus: Corpus) -> list[str]:
    """How many speakers are in two parts, and who; one note where none is."""
    if any(u.speaker.startswith(UNKNOWN_SPEAKER) for u in corpus.utterances):
        return ["not every speaker is known, so speakers who are in two parts of the split cannot be counted"]
    speakers: dict[str, set[str]] = defaultdict(set)
    for u in corpus.utterances:
        speakers[u.group].add(u.speaker)
    notes = [
        f"{counted(len(both), 'speaker')} in {one} and {other} alike: {listed(sorted(both))}"
        for one, other in combinations(sorted(speakers), 2)
        if (both := speakers[one] & speakers[other])
    ]
    return notes or ["no speaker is in two parts of the split"]


def _speaker(utterance: Utterance) -> str:
    """The speaker, or the group that stands for an unknown one."""
    return utterance.home if utterance.speaker.startswith(UNKNOWN_SPEAKER) else utterance.speaker
