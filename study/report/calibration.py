"""How far a variant's probabilities can be read as probabilities, as trained and after temperature scaling.

Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017: logits divided by one
number, the temperature, that minimises the log loss on validation data; and the expected calibration error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar

from study.report.predictions import TestedFold
from study.report.variant_view import CalibrationView, ConfidenceBin
from study.training.temperature import SMALLEST, scaled_by

N_BINS = 10
# Temperatures beyond these are those of a part whose every utterance is right, or of one that is worse than chance.
LOWEST, HIGHEST = 0.05, 20.0

Probabilities = Float[np.ndarray, "utterances classes"]
Labels = Int[np.ndarray, " utterances"]


@dataclass(frozen=True)
class Judged:
    """Class probabilities of utterances, and their true classes."""

    probabilities: Probabilities
    labels: Labels


def calibration(validated: Sequence[TestedFold], tested: Sequence[TestedFold]) -> CalibrationView:
    """The calibration of the reported runs: `validated` and `tested` are of the same runs, in one order.

    Each run's test probabilities are scaled by the temperature of its own validation part, so that what is measured has
    no part in it. `temperature` is that of all validation parts together, for use on new recordings.
    """
    scaled = [
        scaled_by(temperature(own.probabilities, own.labels), test.probabilities)
        for own, test in zip(validated, tested, strict=True)
    ]
    before, after = (
        Judged(np.concatenate(parts), np.concatenate([test.labels for test in tested]))
        for parts in ([test.probabilities for test in tested], scaled)
    )
    everything = Judged(
        np.concatenate([own.probabilities for own in validated]), np.concatenate([own.labels for own in validated])
    )
    return CalibrationView(
        temperature=temperature(everything.probabilities, everything.labels),
        log_loss=log_loss(before),
        log_loss_scaled=log_loss(after),
        error=expected_error(before),
        error_scaled=expected_error(after),
        bins=tuple(bins(before)),
        bins_scaled=tuple(bins(after)),
    )


def temperature(probabilities: Probabilities, labels: Labels) -> float:
    """The temperature that minimises the log loss: above 1 where models are overconfident."""

    def loss(log_temperature: float) -> float:
        return log_loss(Judged(scaled_by(float(np.exp(log_temperature)), probabilities), labels))

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))


def log_loss(judged: Judged) -> float:
    """The mean of minus the logarithm of the true class's probability."""
    own = np.take_along_axis(judged.probabilities, judged.labels[:, None], axis=1)
    return float(-np.log(np.maximum(own.astype(np.float64), SMALLEST)).mean())


def expected_error(judged: Judged) -> float:
    """The mean distance of confidence from accuracy, over `bins` in proportion to their utterances."""
    found = list(bins(judged))
    return sum(each.n * abs(each.confidence - each.accuracy) for each in found) / sum(each.n for each in found)


def bins(judged: Judged) -> Iterator[ConfidenceBin]:
    """The utterances by the probability of their most probable class, in ten bins of equal width; none empty."""
    confidence = judged.probabilities.max(1)
    right = judged.probabilities.argmax(1) == judged.labels
    places = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    for place in range(N_BINS):
        own = places == place
        if own.any():
            yield ConfidenceBin(int(own.sum()), float(confidence[own].mean()), float(right[own].mean()))


def calibration_sentence(view: CalibrationView, where: str = "test") -> str:
    """What the figures mean, for a reader of the report; `where` is what they are of."""
    sure = "overconfident" if view.temperature > 1 else "underconfident"
    return (
        f"The models are {sure}: log loss {view.log_loss:.3f} and expected calibration error {view.error:.3f} on "
        f"{where}; {view.log_loss_scaled:.3f} and {view.error_scaled:.3f} after scaling by the temperature of each "
        f"run's validation part ({view.temperature:.2f} over all of them). The most probable class does not change."
    )


def calibration_rows(by_set: Mapping[str, CalibrationView]) -> Iterator[str]:
    """The figures of each test set by itself, in words."""
    for name, view in by_set.items():
        yield (
            f"Calibration on {name}: log loss {view.log_loss:.3f} and expected calibration error {view.error:.3f}; "
            f"{view.log_loss_scaled:.3f} and {view.error_scaled:.3f} scaled."
        )
