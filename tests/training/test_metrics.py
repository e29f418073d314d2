"""The four metrics against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from study.training.metrics import METRICS, confusion_matrix, score, score_confusion

N_CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, N_CLASSES - 1), st.integers(0, N_CLASSES - 1)), min_size=1, max_size=60)


@given(pairs)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_equal_scikit_learn_on_any_predictions(both):
    labels, predictions = (np.array(column) for column in zip(*both, strict=True))
    every = {"labels": list(range(N_CLASSES)), "zero_division": 0}
    assert score(labels, predictions, N_CLASSES) == pytest.approx(
        {
            "WA": accuracy_score(labels, predictions),
            "UWA": balanced_accuracy_score(labels, predictions),
            "WF1": f1_score(labels, predictions, average="weighted", **every),
            "UWF1": f1_score(labels, predictions, average="macro", **every),
        }
    )


def test_by_hand_on_an_imbalanced_corpus():
    # 8 neutral all right, 2 angry one right: recalls 1 and 1/2; F1 16/17 and 2/3.
    labels, predictions = np.array([0] * 8 + [1] * 2), np.array([0] * 9 + [1])
    scores = score(labels, predictions, 2)
    assert scores["WA"] == pytest.approx(0.9)
    assert scores["UWA"] == pytest.approx(0.75)
    assert scores["WF1"] == pytest.approx(0.8 * 16 / 17 + 0.2 * 2 / 3)
    assert scores["UWF1"] == pytest.approx((16 / 17 + 2 / 3) / 2)


def test_a_uniform_guesser_scores_what_the_class_counts_imply():
    # 7-class IEMOCAP: expected accuracy 1/7 and macro F1 about .131, as published for the random baseline.
    counts = [1103, 595, 1041, 1084, 1708, 1849, 107]
    labels = np.repeat(np.arange(7), counts)
    rng = np.random.default_rng(0)
    draws = [score(labels, rng.integers(0, 7, len(labels)), 7) for _ in range(200)]
    mean = {name: np.mean([draw[name] for draw in draws]) for name in METRICS}
    assert mean == pytest.approx({"WA": 1 / 7, "UWA": 1 / 7, "WF1": 0.155, "UWF1": 0.131}, abs=0.002)


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="at least one utterance"):
        score(np.array([], dtype=int), np.array([], dtype=int), 3)


def test_a_batch_of_confusions_scores_like_each_alone():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, (2, 2, 3, 30))  # class 4 is never true nor predicted
    each = [[score(labels[i, j], predictions[i, j], 5) for j in range(3)] for i in range(2)]
    counts = [[confusion_matrix(labels[i, j], predictions[i, j], 5) for j in range(3)] for i in range(2)]
    for name, values in score_confusion(np.array(counts)).items():
        assert values == pytest.approx(np.array([[scores[name] for scores in row] for row in each]))
