"""Reports every problem of a corpus at once: the output of `ser-study check`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from study.corpus.described import Known, OnStep, Pictures, Recording
from study.corpus.examine import examine, left_out
from study.corpus.films import FilmSummary
from study.corpus.folds import Fold
from study.corpus.holding_out import BY_GROUP, HoldingOut
from study.corpus.inspection import INSPECTIONS
from study.corpus.media import MEDIA, WITHOUT, missing_files, without_missing, without_unusable
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text
from study.corpus.recordings import AudioSummary
from study.corpus.regroup import groups_of
from study.corpus.source import Reading, choose_classes, read_source
from study.corpus.study_faults import (
    class_counts,
    not_trained,
    too_few_groups,
    untrained_sentences,
)
from study.corpus.utterance import Corpus, Problem
from study.errors import UserError


@dataclass(frozen=True)
class CheckReport:
    """The result of a check: plain data.

    `corpus` is None if its classes could not be determined; with fatal problems it holds what could be read.
    `counts` gives utterances by group and class, with what is held out as groups; `folds` are empty where it cannot be
    divided.
    """

    place: str
    corpus: Corpus | None
    problems: tuple[Problem, ...]
    counts: Mapping[str, Mapping[str, int]]
    audio: AudioSummary
    folds: Sequence[Fold] = ()
    films: FilmSummary = field(default_factory=FilmSummary)

    @property
    def fatal(self) -> bool:
        """Whether a study of this corpus would be refused."""
        return any(problem.fatal for problem in self.problems)


def check(
    options: CorpusOptions,
    media: Collection[str] = tuple(MEDIA),
    holding_out: HoldingOut = BY_GROUP,
    on_step: OnStep = lambda what, done, total: None,
) -> CheckReport:
    """Every problem of the corpus for a study that needs these media and is `holding_out` so.

    `on_step` is called as its audio and films are decoded.

    Raises:
        UserError: no reader recognises the corpus.
    """
    reading = read_source(options)
    problems = list(reading.problems)
    try:
        corpus = choose_classes(reading, options)
    except UserError as error:
        # Of an unreadable corpus, "no classes" would repeat its other problems.
        if reading.utterances or not any(problem.fatal for problem in problems):
            problems.append(Problem(reading.place, str(error), True, "classes"))
        return CheckReport(reading.place, None, (*problems, *_count_faults(reading)), {}, AudioSummary())
    problems += _count_faults(reading)
    problems += _missing_files(corpus, media, fatal=not options.skip_missing)
    known = dict[str, Recording | Pictures]()
    if options.skip_missing:
        corpus, faults = _skipped(corpus, media, reading.place)
        problems += faults
        # Before it is regrouped, as in a study: who validates depends on the utterances that are left.
        corpus, faults = _without_unusable(corpus, media, on_step, known)
        problems += faults
    corpus, faults = _regrouped(corpus, holding_out, reading.place)
    found = examine(corpus, options, media, on_step, known)
    corpus = found.corpus
    folds, more = ((), []) if faults else _divided(corpus, holding_out, reading.place)
    problems += [*faults, *more, *found.problems]
    return CheckReport(reading.place, corpus, tuple(problems), class_counts(corpus), found.audio, folds, found.films)


def _count_faults(reading: Reading) -> Iterator[Problem]:
    for difference in reading.reader.known.differences(reading.utterances) if reading.reader.known else ():
        yield Problem(reading.place, difference, False, "counts that differ from those of the full release")


def _missing_files(corpus: Corpus, media: Collection[str], fatal: bool) -> Iterator[Problem]:
    by_id = {utterance.id: utterance for utterance in corpus.utterances}
    for medium in (name for name in MEDIA if name in media):
        for id, file in missing_files(corpus.utterances, medium).items():
            message = f"{id} has no {medium} file: {path_text(file)} does not exist"
            remedy = f"add it, or {WITHOUT[medium]}" if fatal else "the utterance is left out"
            yield Problem(by_id[id].where, f"{message}; {remedy}", fatal, f"missing {medium} files")


def _skipped(corpus: Corpus, media: Collection[str], place: str) -> tuple[Corpus, list[Problem]]:
    """The corpus without utterances whose files are missing; where too little remains, all of it and the problem."""
    try:
        return without_missing(corpus, media), []
    except UserError as error:
        return corpus, [Problem(place, str(error), True, "classes")]


def _without_unusable(
    corpus: Corpus, media: Collection[str], on_step: OnStep, known: Known
) -> tuple[Corpus, list[Problem]]:
    """The corpus without utterances whose media cannot be used, and these; all of it where too little remains."""
    problems: list[Problem] = []
    for medium, inspection in INSPECTIONS.items():
        if medium not in media:
            continue
        skippable = inspection.inspect(corpus.utterances, on_step, known).skippable
        try:
            corpus = without_unusable(corpus, skippable, medium)
        except UserError:
            continue  # `examine` says so
        problems += [left_out(problem) for problem in skippable.values()]
    return corpus, problems


def _regrouped(corpus: Corpus, holding_out: HoldingOut, place: str) -> tuple[Corpus, list[Problem]]:
    """The corpus with what is held out as its groups; where that cannot be, as it is, and the problem."""
    try:
        return holding_out.regroup(corpus), []
    except UserError as error:
        return corpus, [Problem(place, str(error), True, "folds")]


def _divided(corpus: Corpus, holding_out: HoldingOut, place: str) -> tuple[Sequence[Fold], list[Problem]]:
    """The folds of a corpus, and what keeps it from having any, or from training a class in one of them."""
    if too_few := list(too_few_groups(corpus, place)):
        return (), too_few
    try:
        folds = holding_out.divide(groups_of(corpus))
    except UserError as error:
        return (), [Problem(place, str(error), True, "folds")]
    members = ((u.label, u.group) for u in corpus.utterances)
    lines = untrained_sentences(not_trained(members, [fold.training for fold in folds]), len(folds))
    return folds, [Problem(place, line, False, "classes that a fold does not train") for line in lines]
