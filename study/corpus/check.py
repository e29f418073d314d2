"""Reports every problem of a corpus at once: the output of `ser-study check`."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from study.corpus.examine import examine
from study.corpus.folds import leave_one_group_out
from study.corpus.media import MEDIA, missing_files, without_missing
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text
from study.corpus.recordings import AudioSummary, OnStep
from study.corpus.source import Reading, choose_classes, read_source
from study.corpus.study_faults import (
    FEWEST_GROUPS,
    class_counts,
    too_few_groups,
    untrained_classes,
    untrained_sentences,
)
from study.corpus.utterance import Corpus, Problem
from study.errors import UserError


@dataclass(frozen=True)
class CheckReport:
    """The result of a check: plain data.

    `corpus` is None if its classes could not be determined; with fatal problems it holds what could be read.
    `counts` gives utterances by group and class.
    """

    place: str
    corpus: Corpus | None
    problems: tuple[Problem, ...]
    counts: Mapping[str, Mapping[str, int]]
    audio: AudioSummary

    @property
    def fatal(self) -> bool:
        """Whether a study of this corpus would be refused."""
        return any(problem.fatal for problem in self.problems)


def check(
    options: CorpusOptions,
    media: Collection[str] = tuple(MEDIA),
    on_step: OnStep = lambda what, done, total: None,
) -> CheckReport:
    """Every problem of the corpus for a study that needs these media; `on_step` is called as its audio is decoded.

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
    if options.skip_missing:
        corpus, faults = _skipped(corpus, media, reading.place)
        problems += faults
    found = examine(corpus, options, media, on_step)
    corpus = found.corpus
    problems += [*too_few_groups(corpus, reading.place), *_untrained(corpus, reading.place), *found.problems]
    return CheckReport(reading.place, corpus, tuple(problems), class_counts(corpus), found.audio)


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


def _skipped(corpus: Corpus, media: Collection[str], place: str) -> tuple[Corpus, list[Problem]]:
    """The corpus without utterances whose files are missing; where too little remains, all of it and the problem."""
    try:
        return without_missing(corpus, media), []
    except UserError as error:
        return corpus, [Problem(place, str(error), True, "classes")]


def _untrained(corpus: Corpus, place: str) -> Iterator[Problem]:
    sizes = Counter(utterance.group for utterance in corpus.utterances)
    if len(sizes) >= FEWEST_GROUPS:
        trainings = [fold.training for fold in leave_one_group_out(sizes)]
        for line in untrained_sentences(untrained_classes(((u.label, u.group) for u in corpus.utterances), trainings)):
            yield Problem(place, line, False, "classes that a fold does not train")
