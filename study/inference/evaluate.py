"""A model on a labelled corpus that no study has seen: the four metrics with intervals, and each class's recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from study.corpus.labels import preset, read_label_map, relabel
from study.corpus.quoting import path_text
from study.corpus.source import read_source
from study.corpus.utterance import Corpus, Utterance
from study.errors import UserError
from study.inference.batch import Outcome
from study.inference.model_config import ModelConfig
from study.seeding import derived_seed
from study.training.metrics import confusion_matrix, score_confusion

N_RESAMPLES = 2000
LEVEL = 0.95
# How a reader names the speaker of a corpus that has no speakers.
UNKNOWN_SPEAKER = "unknown in "


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
class Evaluation:
    """What a model reaches on a corpus.

    `scores` are by metric, `recalls` by class. `unit` is what intervals resample ("speaker" or "group"), of which there
    are `n_units`. `failed` has the reasons of utterances that could not be predicted, by id: they are in no score.
    """

    n_utterances: int
    scores: dict[str, Interval]
    recalls: dict[str, Recall]
    unit: str
    n_units: int
    failed: dict[str, str]


def labelled(config: ModelConfig, source: str, labels: str | None, label_map: Path | None, outside: bool) -> Corpus:
    """The utterances of a corpus whose labels are among the model's classes; its notes count the others.

    `label_map` is applied first, then the preset `labels`, if they are given.

    Raises:
        UserError: the corpus cannot be read, or has no utterance of the model's classes.
    """
    reading = read_source(source, outside)
    if fatal := [problem for problem in reading.problems if problem.fatal]:
        raise UserError(f"{fatal[0]}; run `ser-study check {source}` for all")
    kept, notes = reading.utterances, list[str]()
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
    return Corpus(reading.name, config.classes, tuple(sorted(kept, key=lambda u: u.id)), tuple(notes))


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
    predicted = np.array([int(np.argmax(prediction.probabilities)) for _, prediction in done])
    unit, units = _units([utterance for utterance, _ in done])
    names = sorted(set(units))
    by_unit = np.stack(
        [confusion_matrix(labels[(own := units == name)], predicted[own], len(classes)) for name in names]
    )
    pooled = by_unit.sum(0)
    scores = {name: float(value) for name, value in score_confusion(pooled).items()}
    intervals = bootstrap(by_unit) if len(names) > 1 else {}
    return Evaluation(
        n_utterances=len(done),
        scores={name: Interval(value, *intervals.get(name, (None, None))) for name, value in scores.items()},
        recalls={
            name: Recall(float(row[index] / row.sum()) if row.sum() else None, int(row.sum()))
            for index, (name, row) in enumerate(zip(classes, pooled, strict=True))
        },
        unit=unit,
        n_units=len(names),
        failed=failed,
    )


def bootstrap(by_unit: Int[np.ndarray, "units classes classes"]) -> dict[str, tuple[float, float]]:
    """The 95 % percentile intervals of the metrics over resamples of whole units, with replacement.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; units instead of utterances,
        because the utterances of a speaker are alike.
    """
    n_units = len(by_unit)
    generator = np.random.default_rng(derived_seed("evaluation", n_units))
    counts = generator.multinomial(n_units, np.full(n_units, 1 / n_units), size=N_RESAMPLES)
    resampled = np.einsum("bu,uij->bij", counts, by_unit)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    found: dict[str, Float[np.ndarray, " resamples"]] = score_confusion(resampled)
    return {name: (float(low), float(high)) for name, (low, high) in _quantiles(found, tails).items()}


def _quantiles(found: dict[str, np.ndarray], tails: list[float]) -> dict[str, np.ndarray]:
    return {name: np.quantile(values, tails) for name, values in found.items()}


def _units(utterances: Sequence[Utterance]) -> tuple[str, np.ndarray]:
    """What is resampled: speakers where the corpus has them, else groups."""
    if any(utterance.speaker.startswith(UNKNOWN_SPEAKER) for utterance in utterances):
        return "group", np.array([utterance.group for utterance in utterances])
    return "speaker", np.array([utterance.speaker for utterance in utterances])
