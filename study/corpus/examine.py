"""What a study and `ser-study check` both look at: so what one of them refuses, the other refuses too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from study.corpus.described import Inspection, Known, OnStep
from study.corpus.films import FilmSummary
from study.corpus.inspection import INSPECTIONS
from study.corpus.media import without_unusable
from study.corpus.options import CorpusOptions
from study.corpus.recordings import AudioSummary
from study.corpus.study_faults import study_faults
from study.corpus.utterance import Corpus, Problem
from study.errors import UserError

# A film so many times as long as its recording, or the other way round, is not of the same utterance.
OTHER_LENGTH = 2.0


@dataclass(frozen=True)
class Examination:
    """What was found in a corpus whose classes are chosen: `corpus` is what is left of it with `--skip-missing`."""

    corpus: Corpus
    problems: tuple[Problem, ...]
    audio: AudioSummary
    films: FilmSummary


def examine(
    corpus: Corpus,
    options: CorpusOptions,
    media: Collection[str],
    on_step: OnStep = lambda what, done, total: None,
    known: Known | None = None,
) -> Examination:
    """Every problem of a corpus for a study that needs these media, by its table and by decoding its media.

    `on_step` and `known` are as in `inspect_recordings`.
    """
    problems, remarks = list[Problem](), list[Problem]()
    seconds = dict[str, Mapping[str, float]]()
    summaries: dict[str, Any] = {medium: inspection.nothing for medium, inspection in INSPECTIONS.items()}
    for medium, inspection in INSPECTIONS.items():
        if medium not in media:
            continue
        found = inspection.inspect(corpus.utterances, on_step, known)
        summaries[medium], seconds[medium] = found.summary, found.seconds
        problems += _faults(found, options.skip_missing)
        remarks += found.remarks
        if options.skip_missing:
            try:
                corpus = without_unusable(corpus, found.skippable, medium)
            except UserError as error:
                problems.append(Problem(options.place, str(error), True, "classes"))
    remarks += _of_other_length(corpus, seconds.get("audio", {}), seconds.get("video", {}))
    of_table = study_faults(corpus, options.place, options.allow_shared_speakers)
    return Examination(corpus, (*of_table, *problems, *remarks), summaries["audio"], summaries["video"])


def _faults(found: Inspection[Any], skip: bool) -> Iterator[Problem]:
    for id, problem in found.faults.items():
        if skip and id in found.skippable:
            yield left_out(problem)
        else:
            yield problem


def _of_other_length(corpus: Corpus, recordings: Mapping[str, float], films: Mapping[str, float]) -> Iterator[Problem]:
    """Utterances whose film lasts much longer or shorter than their recording; both by id, in seconds."""
    for utterance in (each for each in corpus.utterances if each.id in recordings and each.id in films):
        sound, film = recordings[utterance.id], films[utterance.id]
        if max(sound, film) > OTHER_LENGTH * min(sound, film):
            message = f"the film of {utterance.id} lasts {film:.2f} s, and its recording {sound:.2f} s"
            message = f"{message}; are both of this utterance, and its video_start and video_end right?"
            yield Problem(utterance.where, message, False, "films much longer or shorter than recordings")


def left_out(problem: Problem) -> Problem:
    """The problem of an utterance that `--skip-missing` leaves out: it stops no study."""
    return replace(problem, message=f"{problem.message}; the utterance is left out", fatal=False)
