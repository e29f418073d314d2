"""The bootstrap over speakers: what a score would have been with other speakers in the test set. Pure.

Utterances of one speaker are alike, so whole speakers are drawn, or groups where speakers are not known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from study.corpus.utterance import UNKNOWN_SPEAKER
from study.training.metrics import confusion_matrix, score_confusion

N_RESAMPLES = 2000
LEVEL = 0.95

Labels = Int[np.ndarray, " utterances"]
Confusions = Int[np.ndarray, "runs units classes classes"]


def units_of(speakers: Sequence[str], groups: Sequence[str]) -> tuple[str, list[str]]:
    """What is resampled, "speaker" or "group", and that of every utterance: groups where a speaker is not known."""
    if any(speaker.startswith(UNKNOWN_SPEAKER) for speaker in speakers):
        return "group", list(groups)
    return "speaker", list(speakers)


def confusions_by_unit(
    labels: Labels, predictions: Sequence[Labels], units: Sequence[str], n_classes: int
) -> Confusions:
    """Counts [true, predicted] of every run and unit, units in order of name; `predictions` are those of each run."""
    places = [np.flatnonzero(np.array(units) == name) for name in sorted(set(units))]
    return np.stack(
        [
            np.stack([confusion_matrix(labels[own], predicted[own], n_classes) for own in places])
            for predicted in predictions
        ]
    )


def resampled(systems: Sequence[Confusions], seed: int) -> list[dict[str, Float[np.ndarray, " resamples"]]]:
    """Of each system the metrics, means over its runs, in many resamples of its units and its runs.

    Every system has the predictions for the same units; a resample draws the units once for all systems, and the runs
    of each by itself. So differences between systems are paired by unit.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Runs are drawn beside units, since
        other seeds would train other models.
    """
    n_units = systems[0].shape[1]
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n_units, np.full(n_units, 1 / n_units), size=N_RESAMPLES)
    return [_means(counts, own, generator) for own in systems]


def interval(values: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    """The 95 % percentile interval of what was resampled."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _means(
    counts: Int[np.ndarray, "resamples units"], own: Confusions, generator: np.random.Generator
) -> dict[str, Float[np.ndarray, " resamples"]]:
    n_runs, n_units, size, _ = own.shape
    # Counts are whole numbers below 2^53, so the product of floating-point numbers, which is fast, is exact.
    flat = own.transpose(1, 0, 2, 3).reshape(n_units, -1).astype(np.float64)
    drawn = (counts.astype(np.float64) @ flat).round().astype(np.int64).reshape(-1, n_runs, size, size)
    runs = generator.integers(n_runs, size=(len(counts), n_runs))
    return {
        name: np.take_along_axis(values, runs, axis=1).mean(axis=1) for name, values in score_confusion(drawn).items()
    }
