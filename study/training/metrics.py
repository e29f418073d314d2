"""The four metrics of speech emotion recognition, under the names used in result tables."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

# Name -> in words. A new metric is an entry here and in `score_confusion`.
MEANINGS = {
    "WA": "accuracy",
    "UWA": "balanced accuracy",
    "WF1": "F1 weighted by support",
    "UWF1": "macro F1",
}
METRICS = tuple(MEANINGS)
LEGEND = ", ".join(f"{name} {meaning}" for name, meaning in MEANINGS.items())


def score(labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int) -> dict[str, float]:
    """WA, UWA, WF1 and UWF1 of `predictions`, each in [0, 1].

    - WA: accuracy, the share of utterances predicted correctly.
    - UWA: balanced accuracy, the mean recall over the classes that occur in `labels`.
    - WF1: F1 per class, weighted by the class's number of utterances in `labels`.
    - UWF1: the plain mean of F1 over all `n_classes` classes; a class neither true nor predicted counts 0.

    scikit-learn's accuracy_score, balanced_accuracy_score and f1_score (average="weighted" and "macro",
    labels=all classes, zero_division=0) are the reference. Beware when comparing with Rajan et al. (ICASSP
    2022): their code swaps WA and UWA.

    >>> score(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), n_classes=2)["UWA"]  # (2/3 + 1/1) / 2
    0.8333333333333333

    Raises:
        ValueError: there are no utterances.
    """
    if len(labels) == 0:
        raise ValueError("metrics need at least one utterance; got none")
    return {
        name: float(value) for name, value in score_confusion(confusion_matrix(labels, predictions, n_classes)).items()
    }


def score_confusion(confusion: Int[np.ndarray, "*batch classes classes"]) -> dict[str, Float[np.ndarray, "*batch"]]:
    """The four metrics, as `score` defines them, from counts [true class, predicted class]; one value per matrix.

    Every matrix must hold at least one utterance.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    support = confusion.sum(-1)
    predicted = confusion.sum(-2)
    total = support.sum(-1)
    recall = right / np.maximum(support, 1)  # 0 for an absent class, which the mean below leaves out
    # F1 = 2 right / (true + predicted): the harmonic mean of precision and recall without their 0 / 0 cases.
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return {
        "WA": right.sum(-1) / total,
        "UWA": recall.sum(-1) / (support > 0).sum(-1),
        "WF1": (f1 * support).sum(-1) / total,
        "UWF1": f1.mean(-1),
    }


def confusion_matrix(labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Counts [true class, predicted class]."""
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)
