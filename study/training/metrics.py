"""The four metrics of the field, under the names that the result tables use."""

import numpy as np
from numpy.typing import NDArray

METRICS = ("WA", "UWA", "WF1", "UWF1")


def score(labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int) -> dict[str, float]:
    """WA, UWA, WF1 and UWF1 of `predictions`, each in [0, 1].

    - WA: accuracy, the share of utterances predicted right.
    - UWA: balanced accuracy, the mean recall over the classes that occur in `labels`.
    - WF1: F1 per class, weighted by the class's number of utterances in `labels`.
    - UWF1: the plain mean of F1 over all `n_classes` classes; a class neither true nor predicted counts 0.

    scikit-learn's accuracy_score, balanced_accuracy_score and f1_score (average="weighted" and "macro",
    labels=all classes, zero_division=0) are the reference. Beware when comparing with Rajan et al. (ICASSP
    2022): their code swaps WA and UWA.

    >>> score(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), n_classes=2)["UWA"]  # (2/3 + 1/1) / 2
    0.8333333333333333

    Raises:
        ValueError: there is nothing to score.
    """
    if len(labels) == 0:
        raise ValueError("metrics need at least one utterance; got none")
    confusion = confusion_matrix(labels, predictions, n_classes)
    right = np.diag(confusion).astype(float)
    support = confusion.sum(1)
    predicted = confusion.sum(0)
    present = support > 0
    # F1 = 2 right / (true + predicted): the harmonic mean of precision and recall without their 0 / 0 cases.
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return {
        "WA": float(right.sum() / len(labels)),
        "UWA": float((right[present] / support[present]).mean()),
        "WF1": float((f1 * support).sum() / len(labels)),
        "UWF1": float(f1.mean()),
    }


def confusion_matrix(labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Counts [true class, predicted class]."""
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)
