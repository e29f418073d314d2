"""The confusion matrix as a picture."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from study.report.charts.confusion import confusion, fold_confusions
from study.report.charts.svg import svg

DPI = 100


def pixels(figure: Figure) -> np.ndarray:
    """The figure as an image of 100 pixels an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    buffer.seek(0)
    return np.asarray(imread(buffer))


def blueness(picture: np.ndarray) -> float:
    """How much of a part of a picture is darker blue than paper."""
    return float((picture[..., 0] < 0.5).mean())


@pytest.mark.parametrize("n_classes", [2, 4, 11])
def test_picture_grows_with_the_classes_and_stays_readable(n_classes: int) -> None:
    figure = confusion(np.eye(n_classes, dtype=np.int64), [f"class {i}" for i in range(n_classes)], "toy: test")
    height, width, _ = pixels(figure).shape
    assert min(height, width) > 60 * n_classes
    assert max(height, width) < 1300


def test_rows_are_normalised_so_that_a_rare_class_shows() -> None:
    even, rare = (
        blueness(pixels(confusion(np.array(counts), ["a", "b"], "toy")))
        for counts in ([[5, 0], [0, 5]], [[500, 0], [0, 1]])
    )
    assert rare == pytest.approx(even, rel=0.15)


def test_class_that_does_not_occur_has_an_empty_row() -> None:
    full = confusion(np.array([[4, 0], [0, 4]]), ["a", "b"], "toy")
    empty = confusion(np.array([[4, 0], [0, 0]]), ["a", "b"], "toy")
    assert blueness(pixels(empty)) < 0.7 * blueness(pixels(full))


def test_the_picture_of_folds_has_a_matrix_for_each_of_them() -> None:
    right, wrong = np.eye(3, dtype=np.int64) * 9, np.ones((3, 3), dtype=np.int64)
    classes = ["angry", "happy", "sad"]
    one = pixels(fold_confusions({"test A": right}, classes, "toy"))
    five = pixels(fold_confusions({f"test {i}": right for i in range(5)}, classes, "toy"))
    wrong_five = pixels(fold_confusions({f"test {i}": wrong for i in range(5)}, classes, "toy"))
    assert five.shape[0] > 1.5 * one.shape[0]
    assert five.shape[1] > 2 * one.shape[1]
    assert blueness(five) > 3 * blueness(wrong_five)


def test_names_of_classes_and_folds_are_drawn_as_they_are() -> None:
    hostile = r"$\frac{$ _^"
    assert svg(confusion(np.eye(2, dtype=np.int64), [hostile, "b"], hostile)).count(hostile) == 3  # two axes, title
    assert hostile in svg(fold_confusions({hostile: np.eye(2, dtype=np.int64)}, ["a", "b"], "toy"))
