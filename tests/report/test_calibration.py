"""Calibration: temperatures that are known beforehand, figures by other means, and no part for test labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape
from sklearn.metrics import log_loss as log_loss_of_sklearn

from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.report import predictions
from study.report.build import report_view
from study.report.calibration import (
    Judged,
    bins,
    calibration,
    calibration_sentence,
    expected_error,
    log_loss,
    scaled_by,
    temperature,
)
from study.report.charts.reliability import reliability
from study.report.evidence import gather
from study.report.pages import html_page, markdown_page
from tests.report.toy import settings_of, toy_plan, write_study


def drawn(sharpness: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from probabilities, and these probabilities with their logits times `sharpness`."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((n, 4))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    shares = np.exp(sharpness * logits)
    return shares / shares.sum(1, keepdims=True), labels


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_is_by_how_much_logits_are_too_large(sharpness: float) -> None:
    probabilities, labels = drawn(sharpness)
    assert temperature(probabilities, labels) == pytest.approx(sharpness, rel=0.05)
    scaled = scaled_by(sharpness, probabilities)
    np.testing.assert_allclose(scaled, drawn(1.0)[0], atol=1e-4)
    assert (scaled.argmax(1) == probabilities.argmax(1)).all()
    assert expected_error(Judged(scaled, labels)) < 0.02
    assert (expected_error(Judged(probabilities, labels)) > 0.05) == (sharpness != 1.0)


def test_log_loss_is_that_of_scikit_learn_and_the_error_that_of_bins_by_hand() -> None:
    probabilities, labels = drawn(2.0, n=500)
    judged = Judged(probabilities, labels)
    assert log_loss(judged) == pytest.approx(log_loss_of_sklearn(labels, probabilities))
    four = Judged(np.array([[0.62, 0.38], [0.66, 0.34], [0.05, 0.95], [0.0, 1.0]]), np.array([0, 1, 1, 1]))
    assert [(each.n, each.confidence, each.accuracy) for each in bins(four)] == [
        (2, pytest.approx(0.64), 0.5),
        (2, pytest.approx(0.975), 1.0),
    ]
    assert expected_error(four) == pytest.approx((2 * 0.14 + 2 * 0.025) / 4)


def fold_of(sharpness: float, seed: int) -> predictions.TestedFold:
    probabilities, labels = drawn(sharpness, n=3000, seed=seed)
    return predictions.TestedFold(FoldRun("cross", 0, 0), "Ses01", (), labels, probabilities)


def test_each_run_is_scaled_by_its_own_validation_part_and_test_labels_choose_nothing() -> None:
    validated, tested = [fold_of(4.0, 1), fold_of(0.5, 2)], [fold_of(4.0, 3), fold_of(0.5, 4)]
    found = calibration(validated, tested)
    assert found.error_scaled < 0.03 < found.error
    assert found.log_loss_scaled < found.log_loss
    rng = np.random.default_rng(0)
    shuffled = calibration(validated, [replace(each, labels=rng.permutation(each.labels)) for each in tested])
    assert shuffled.temperature == found.temperature
    assert [each.confidence for each in shuffled.bins_scaled] == [each.confidence for each in found.bins_scaled]


@pytest.mark.parametrize("wrong", [0, 60])
def test_a_part_that_is_all_right_or_all_wrong_has_a_finite_temperature(wrong: int) -> None:
    probabilities = np.eye(3)[np.arange(60) % 3]
    labels = (np.arange(60) + (np.arange(60) < wrong)) % 3
    found = calibration(
        [predictions.TestedFold(FoldRun("cross", 0, 0), "x", (), labels, probabilities)] * 2, [fold_of(1.0, 5)] * 2
    )
    assert 0.04 < found.temperature < 21
    assert np.isfinite([found.log_loss, found.log_loss_scaled, found.error_scaled]).all()


def test_the_report_has_the_figures_of_the_reported_runs_in_words_and_picture(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    write_study(folder, toy_plan(), {"cross": settings_of("cross")})
    evidence = gather(folder)
    view = report_view(evidence)
    found = view.variants["cross"].calibration
    assert found is not None
    tested = evidence.tested["cross"]
    own = Judged(np.concatenate([t.probabilities for t in tested]), np.concatenate([t.labels for t in tested]))
    assert found.log_loss == pytest.approx(
        log_loss_of_sklearn(own.labels, own.probabilities, labels=range(3)), rel=1e-5
    )
    assert calibration_sentence(found) in markdown_page(view, {})
    assert escape(calibration_sentence(found)) in html_page(view, {})
    picture = reliability(found, "toy")
    assert picture is not None
    assert len(picture.axes[0].collections) == 2


def test_validation_predictions_are_of_other_groups_than_those_tested(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    plan = toy_plan()
    write_study(folder, plan, {"cross": settings_of("cross")})
    evidence = gather(folder)
    for own, test in zip(evidence.validated["cross"], evidence.tested["cross"], strict=True):
        assert own.run == test.run
        assert {each["group"] for each in own.utterances} == set(plan.folds[own.run.fold]["validation"])
        assert {each["group"] for each in test.utterances} == set(plan.folds[own.run.fold]["test"])
