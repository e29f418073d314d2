"""Reports every problem of a corpus at once: the output of `ser-study check`."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from study.corpus.audio_inspection import (
    NOTHING_INSPECTED,
    AudioSummary,
    Inspection,
    inspect_audio,
    lack_of_decoder,
)
from study.corpus.media import MEDIA, missing_files, without_missing, without_unusable
from study.corpus.plain_words import plain_words
from study.corpus.quoting import path_text
from study.corpus.source import Reading, choose_classes, read_source
from study.corpus.utterance import Corpus, Problem, Utterance
from study.errors import UserError
from study.plurals import counted

FEWEST_GROUPS = 3


@dataclass(frozen=True)
class CheckReport:
    """The result of a check: plain data.

    `corpus` is None if its classes could not be determined; with fatal problems it holds what could be read.
    `counts` gives utterances by group and class. `shared_texts` is the number of utterances whose words, without
    case and punctuation, also occur in another group.
    """

    place: str
    corpus: Corpus | None
    problems: tuple[Problem, ...]
    counts: Mapping[str, Mapping[str, int]]
    audio: AudioSummary
    shared_texts: int

    @property
    def fatal(self) -> bool:
        """Whether a study of this corpus would be refused or be misleading."""
        return any(problem.fatal for problem in self.problems)


def check(
    source: str | None,
    labels: str | None = None,
    label_map: Path | None = None,
    allow_outside: bool = False,
    media: Collection[str] = tuple(MEDIA),
    skip_missing: bool = False,
) -> CheckReport:
    """Every problem of the corpus at `source`; the arguments are those of `open_corpus`.

    Raises:
        UserError: no reader recognises `source`.
    """
    reading = read_source(source, allow_outside)
    problems = list(reading.problems)
    try:
        corpus = choose_classes(reading, labels, label_map)
    except UserError as error:
        corpus = None
        # Of an unreadable corpus, "no classes" would repeat its other problems.
        if reading.utterances or not any(problem.fatal for problem in problems):
            problems.append(Problem(reading.place, str(error), True, "classes"))
    problems += _count_faults(reading)
    utterances = corpus.utterances if corpus else reading.utterances
    audio, faults = _inspected(reading.place, utterances, media)
    problems += _audio_faults(audio, skip_missing)
    problems += faults
    if corpus:
        problems += _missing_files(corpus, media, fatal=not skip_missing)
        if skip_missing:
            corpus, faults = _skipped(corpus, media, audio, reading.place)
            problems += faults
            utterances = corpus.utterances
    counts = class_counts(corpus) if corpus else {}
    shared = texts_in_two_groups(utterances)
    if corpus:
        problems += _group_faults(reading.place, counts)
        problems += _speaker_faults(reading, utterances)
        problems += _text_faults(reading.place, utterances, len(shared))
    return CheckReport(reading.place, corpus, tuple(problems), counts, audio.summary, len(shared))


def _count_faults(reading: Reading) -> Iterator[Problem]:
    for difference in reading.reader.known.differences(reading.utterances) if reading.reader.known else ():
        yield Problem(reading.place, difference, False, "counts that differ from those of the full release")


def _missing_files(corpus: Corpus, media: Collection[str], fatal: bool) -> Iterator[Problem]:
    by_id = {utterance.id: utterance for utterance in corpus.utterances}
    for medium in (name for name in MEDIA if name in media):
        for id, file in missing_files(corpus.utterances, medium).items():
            message = f"{id} has no {medium} file: {path_text(file)} does not exist"
            remedy = (
                "add it, or leave such utterances out with --skip-missing" if fatal else "the utterance is left out"
            )
            yield Problem(by_id[id].where, f"{message}; {remedy}", fatal, f"missing {medium} files")


def _inspected(place: str, utterances: Sequence[Utterance], media: Collection[str]) -> tuple[Inspection, list[Problem]]:
    """What is in the audio files; nothing, and the problem, where their decoder is not installed."""
    if "audio" not in media:
        return NOTHING_INSPECTED, []
    if lack := lack_of_decoder(utterances):
        return NOTHING_INSPECTED, [Problem(place, lack, True, "decoders")]
    return inspect_audio(utterances), []


def _audio_faults(audio: Inspection, skip_missing: bool) -> Iterator[Problem]:
    for id, problem in audio.faults.items():
        if skip_missing and id in audio.skippable:
            yield replace(problem, message=f"{problem.message}; the utterance is left out", fatal=False)
        else:
            yield problem
    yield from audio.remarks


def _skipped(corpus: Corpus, media: Collection[str], audio: Inspection, place: str) -> tuple[Corpus, list[Problem]]:
    """The corpus without utterances whose files cannot be used; where too little remains, all of it and the problem."""
    try:
        return without_unusable(without_missing(corpus, media), audio.skippable), []
    except UserError as error:
        return corpus, [Problem(place, str(error), True, "classes")]


def class_counts(corpus: Corpus) -> dict[str, dict[str, int]]:
    """Utterances by group and class, both in order, zeros included."""
    found = Counter((u.group, u.label) for u in corpus.utterances)
    return {group: {name: found[group, name] for name in corpus.classes} for group in corpus.groups()}


def texts_in_two_groups(utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
    """The utterances whose words, without case and punctuation, also occur in another group."""
    by_words: dict[tuple[str, ...], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        words = plain_words(utterance.words)
        if words:
            by_words[words].append(utterance)
    return tuple(u for sharing in by_words.values() if len({u.group for u in sharing}) > 1 for u in sharing)


def _group_faults(place: str, counts: Mapping[str, Mapping[str, int]]) -> Iterator[Problem]:
    if len(counts) < FEWEST_GROUPS:
        law = f"a study needs at least {FEWEST_GROUPS} groups to train, validate and test on"
        hint = "give the `group` column more groups"
        yield Problem(place, f"{law}; found {len(counts)}: {', '.join(counts)}; {hint}", True, "groups")
    for group, row in counts.items():
        for name, count in row.items():
            if not count:
                message = f"group {group} has no utterance of class {name}: its recall there is undefined"
                yield Problem(place, message, False, "classes missing in groups")


def _speaker_faults(reading: Reading, utterances: Sequence[Utterance]) -> Iterator[Problem]:
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for utterance in utterances:
        first[utterance.speaker].setdefault(utterance.group, utterance.where)
    shared = {speaker: groups for speaker, groups in sorted(first.items()) if len(groups) > 1}
    if shared and not reading.reader.divides_speakers:
        law = f"{len(shared):,} of {counted(len(first), 'speaker')} are in more than one group"
        message = f"{law}: this corpus cannot be divided by speaker, so tests include speakers of the training set"
        yield Problem(reading.place, message, False, "speakers in two groups")
        return
    for speaker, groups in shared.items():
        named = ", ".join(f"{group} ({where})" for group, where in sorted(groups.items())[:3])
        law = f"speaker {speaker} would be in training and test: found in {counted(len(groups), 'group')}, {named}"
        where = next(iter(groups.values()))
        yield Problem(where, f"{law}; put a speaker's utterances in one group", True, "speakers in two groups")


def _text_faults(place: str, utterances: Sequence[Utterance], n_shared: int) -> Iterator[Problem]:
    if any(u.words for u in utterances):
        for utterance in utterances:
            if not utterance.words:
                yield Problem(utterance.where, f"{utterance.id} has no words", False, "empty texts")
    if n_shared:
        share = f"{n_shared:,} of {counted(len(utterances), 'utterance')} ({n_shared / len(utterances):.0%})"
        message = (
            f"{share} have the same words as one in another group; report scores on those separately (column script)"
        )
        yield Problem(place, message, False, "texts in two groups")
