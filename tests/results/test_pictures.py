"""The confusion matrix as a picture."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from study.results.pictures import confusion_picture, fold_confusions_picture


def blueness(picture: np.ndarray) -> float:
    """How much of a part of a picture is darker blue than paper."""
    return float((picture[..., 0] < 0.5).mean())


@pytest.mark.parametrize("n_classes", [2, 4, 11])
def test_picture_grows_with_the_classes_and_stays_readable(n_classes: int, tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    confusion_picture(path, np.eye(n_classes, dtype=np.int64), [f"class {i}" for i in range(n_classes)], "toy: test")
    height, width, _ = imread(path).shape
    assert min(height, width) > 90 * n_classes
    assert max(height, width) < 1900


def test_rows_are_normalised_so_that_a_rare_class_shows(tmp_path: Path) -> None:
    pictures = {}
    for name, counts in (("even", [[5, 0], [0, 5]]), ("rare", [[500, 0], [0, 1]])):
        confusion_picture(tmp_path / f"{name}.png", np.array(counts), ["a", "b"], "toy")
        pictures[name] = imread(tmp_path / f"{name}.png")
    assert blueness(pictures["rare"]) == pytest.approx(blueness(pictures["even"]), rel=0.15)


def test_class_that_does_not_occur_has_an_empty_row(tmp_path: Path) -> None:
    full, empty = tmp_path / "full.png", tmp_path / "empty.png"
    confusion_picture(full, np.array([[4, 0], [0, 4]]), ["a", "b"], "toy")
    confusion_picture(empty, np.array([[4, 0], [0, 0]]), ["a", "b"], "toy")
    assert blueness(imread(empty)) < 0.7 * blueness(imread(full))


def test_the_picture_of_folds_has_a_matrix_for_each_of_them(tmp_path: Path) -> None:
    right, wrong = np.eye(3, dtype=np.int64) * 9, np.ones((3, 3), dtype=np.int64)
    classes = ["angry", "happy", "sad"]
    fold_confusions_picture(tmp_path / "one.png", {"test A": right}, classes, "toy")
    fold_confusions_picture(tmp_path / "five.png", {f"test {i}": right for i in range(5)}, classes, "toy")
    fold_confusions_picture(tmp_path / "wrong.png", {f"test {i}": wrong for i in range(5)}, classes, "toy")
    one, five, wrong_five = (imread(tmp_path / f"{name}.png") for name in ("one", "five", "wrong"))
    assert five.shape[0] > 1.5 * one.shape[0]
    assert five.shape[1] > 2 * one.shape[1]
    assert blueness(five) > 3 * blueness(wrong_five)
