"""A model on a labelled corpus that no study has seen: the four metrics with intervals, and each class's recall."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from study.corpus.labels import preset, read_label_map, relabel
from study.corpus.options import CorpusOptions
from study.corpus.quoting import path_text
from study.corpus.remarks import notes_on
from study.corpus.source import read_source
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.inference.batch import Outcome
from study.inference.model_config import ModelConfig
from study.inference.model_folder import CARD
from study.inference.remarks import summary
from study.inference.trained_on import Overlap, known_by
from study.plurals import counted
from study.seeding import derived_seed
from study.training.metrics import score_confusion
from study.training.resampling import Confusions, confusions_by_unit, interval, resampled, units_of


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval; no interval with fewer than two units to resample."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Recall:
    """The share of a class's utterances that were recognised, and how many there are; None without any."""

    value: float | None
    n_utterances: int


@dataclass(frozen=True)
class Labelled:
    """The utterances of a corpus whose labels are among a model's classes, and how many it has in all."""

    corpus: Corpus
    n_all: int


@dataclass(frozen=True)
class Evaluation:
    """What a model reaches on a corpus.

    `scores` are by metric, of predictions among all of the model's classes; `shared` are of predictions among those
    classes alone that the corpus has (`classes`), their probabilities renormalised. `absent` are the others: in
    `scores`, each counts an F1 of 0 in UWF1, and UWA leaves it out. `recalls` are by class, among all. `unit` is what
    intervals resample ("speaker" or "group"), of which there are `n_units`. `failed` has the reasons of utterances that
    could not be predicted, by id: they are in no score. `remarks` counts recordings that are silent, very short, beyond
    full scale or without words: they are in the scores.
    """

    n_utterances: int
    scores: dict[str, Interval]
    shared: dict[str, Interval]
    classes: tuple[str, ...]
    absent: tuple[str, ...]
    recalls: dict[str, Recall]
    unit: str
    n_units: int
    failed: dict[str, str]
    remarks: tuple[str, ...] = ()


def labelled(config: ModelConfig, source: str, labels: str | None, label_map: Path | None, outside: bool) -> Labelled:
    """The utterances of a corpus whose labels are among the model's classes; the notes on it count the others.

    `label_map` is applied first, then the preset `labels`, if they are given.

    Raises:
        UserError: the corpus cannot be read, or has no utterance of the model's classes.
    """
    options = CorpusOptions(corpus=source, allow_outside_files=outside)
    reading = read_source(options, "name one that is there")
    kept, notes = reading.utterances, [*notes_on(reading.problems, options)]
    maps = [read_label_map(label_map)] if label_map is not None else []
    maps += [preset(labels).mapping] if labels is not None else []
    for mapping in (*maps, {name: name for name in config.classes}):
        kept, more = relabel(kept, mapping)
        notes += more
    if not kept:
        found = ", ".join(sorted({utterance.label for utterance in reading.utterances})[:10])
        raise UserError(
            f"an evaluation needs utterances of the model's classes ({', '.join(config.classes)}), and "
            f"{path_text(Path(source))} has none (its labels: {found}); give a --label-map"
        )
    corpus = Corpus(reading.name, config.classes, tuple(sorted(kept, key=lambda u: u.id)), tuple(notes))
    return Labelled(corpus, len(reading.utterances))


def require_unseen(config: ModelConfig, corpus: Corpus, overlap: Overlap | None) -> None:
    """Make sure that a corpus is not the one that the model was trained on; `overlap` is None where it is not known.

    Raises:
        UserError: all of it was.
    """
    is_all = overlap is not None and overlap.n_equal == overlap.n_utterances
    if is_all or corpus.has_digest(config.corpus.get("digest")):
        raise UserError(
            f"an evaluation needs utterances that the model was not trained on; all {len(corpus.utterances)} of "
            f"{corpus.name} are those of its training corpus; what its study scores on held-out sessions is in its "
            f"card ({CARD}), and on recognised words `ser-study evaluate STUDY --words FILE` shows it"
        )


def overlap_notes(overlap: Overlap | None, reads: Collection[str]) -> Iterator[str]:
    """In sentences, how many utterances were, or may have been, in the training corpus of a model that reads these."""
    if overlap is None:
        yield "whether utterances were in the training corpus is not known: the folder does not say; export it anew"
        return
    everyone, what = counted(overlap.n_utterances, "utterance"), known_by(reads).what
    if overlap.n_equal:
        yield f"{overlap.n_equal} of {everyone} have {what} of the training corpus: their scores are no test"
    if overlap.n_same_id:
        yield f"{overlap.n_same_id} of {everyone} have ids of the training corpus and other {what}: they may be of it"


def evaluation(classes: Sequence[str], found: Sequence[Outcome]) -> Evaluation:
    """What the outcomes of labelled utterances come to.

    Raises:
        UserError: none of them was predicted.
    """
    failed = {each.item.utterance.id: each.reason for each in found if not each.prediction and each.item.utterance}
    done = [(each.item.utterance, each.prediction) for each in found if each.prediction and each.item.utterance]
    if not done:
        raise UserError(f"none of {len(failed)} utterances could be predicted: {next(iter(failed.values()), '')}")
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[utterance.label] for utterance, _ in done])
    shares = np.array([prediction.probabilities for _, prediction in done])
    unit, units = units_of([utterance.speaker for utterance, _ in done], [utterance.group for utterance, _ in done])
    present = np.unique(labels)
    by_unit = _by_unit(labels, shares, units)
    return Evaluation(
        n_utterances=len(done),
        scores=_intervals(by_unit),
        # The class of the largest share is the same before and after the shares are divided by their sum.
        shared=_intervals(_by_unit(np.searchsorted(present, labels), shares[:, present], units)),
        classes=tuple(classes[index] for index in present),
        absent=tuple(name for index, name in enumerate(classes) if index not in present),
        recalls={
            name: Recall(float(row[index] / row.sum()) if row.sum() else None, int(row.sum()))
            for index, (name, row) in enumerate(zip(classes, by_unit.sum((0, 1)), strict=True))
        },
        unit=unit,
        n_units=by_unit.shape[1],
        failed=failed,
        remarks=summary((window.remarks for _, each in done for window in each.windows), len(done), "utterances"),
    )


def _by_unit(
    labels: Int[np.ndarray, " utterances"], shares: Float[np.ndarray, "utterances classes"], units: Sequence[str]
) -> Confusions:
    """Counts [true, most probable class] of each unit; the run is one."""
    return confusions_by_unit(labels, [shares.argmax(1)], units, shares.shape[1])


def _intervals(by_unit: Confusions) -> dict[str, Interval]:
    """The metrics of all units together, with intervals where there are several."""
    ends, n_units = {}, by_unit.shape[1]
    if n_units > 1:
        [drawn] = resampled([by_unit], derived_seed("evaluation", n_units))
        ends = {name: interval(values) for name, values in drawn.items()}
    scores = score_confusion(by_unit.sum((0, 1)))
    return {name: Interval(float(value), *ends.get(name, (None, None))) for name, value in scores.items()}
