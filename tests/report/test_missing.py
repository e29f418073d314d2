"""Test figures without a modality: from stored predictions to the report's rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from study.errors import UserError
from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.record.outcome import Use
from study.report import predictions
from study.report.missing import has_rows, lack_rows, lack_sentences, lack_views
from study.report.pages import html_page, markdown_page
from study.training.loop import Predictions
from study.training.predictions import keep_epochs, save_predictions
from tests.report.toy import full_variant, toy_plan, toy_variant, toy_view


def fold_of(block: str, predicted: list[int], seed: int = 1) -> predictions.TestedFold:
    """A run on three utterances, one of each class, whose classes are predicted so."""
    run = FoldRun("cross", 0, "abc".index(block), seed)
    return predictions.TestedFold(run, block, ({"id": "u"},) * 3, np.arange(3), np.eye(3)[predicted])


def test_a_blocks_figure_is_the_mean_over_its_runs_as_of_whole_utterances() -> None:
    folds = [fold_of("a", [0, 1, 2]), fold_of("a", [0, 0, 0], seed=2), fold_of("b", [0, 1, 0])]
    (words,) = lack_views({"sentence": folds}, {}, 3, ())
    assert (words.lack, words.dropout, words.learned) == ("words", 0.0, False)
    assert words.test["UWA"].folds == pytest.approx(((1 + 1 / 3) / 2, 2 / 3))
    (speech,) = lack_views({"audio": folds[:2]}, {"modality_dropout": "0.3"}, 3, ())
    assert (speech.lack, speech.dropout, speech.learned) == ("speech", 0.3, True)


def test_pages_have_rows_and_say_what_stands_for_what_is_missing() -> None:
    folds = [fold_of("a", [0, 1, 2]), fold_of("b", [0, 1, 0])]
    plain = full_variant("cross", lacking=lack_views({"audio": folds, "text": folds}, {}, 3, ()))
    learned = full_variant("self", lacking=lack_views({"text": folds}, {"modality_dropout": "0.3"}, 3, ()))
    seeing = full_variant("late+video", lacking=lack_views({"audio": folds, "video": folds}, {}, 3, ["video"]))
    view = toy_view(plain, learned, full_variant("mdre"), seeing)
    assert [row[:2] for row in lack_rows(view)] == [
        *(["cross", what] for what in ("nothing left out", "without speech", "without words")),
        *(["self", what] for what in ("nothing left out", "without words")),
        *(["late+video", what] for what in ("nothing left out", "without speech", "without film")),
    ]
    said = " ".join(lack_sentences(view))
    assert "Trained with modality dropout, with this probability: self (0.3)." in said
    assert "Trained on whole utterances: cross, late+video without speech. The mean frame of training" in said
    assert "some of which lack what is left out: late+video without film. The vector that they learned" in said
    assert "Not measured: mdre." in said
    for page in (html_page(view, {}), markdown_page(view, {})):
        assert "Missing modalities" in page
        assert page.count("without words") >= 2
    assert view.to_json()["variants"]["self"]["lacking"][0]["lack"] == "words"
    assert not has_rows(toy_view(toy_variant()))
    assert "Missing modalities" not in html_page(toy_view(toy_variant()), {})


def test_predictions_without_a_stream_are_read_where_every_run_has_them_of_its_epoch(tmp_path: Path) -> None:
    folder, plan = StudyFolder(tmp_path), toy_plan()
    runs = [FoldRun("cross", 0, fold, 1) for fold in range(3)]
    for run in runs:
        ids = {
            part: [each["id"] for each in plan.utterances if each["group"] in plan.folds[run.fold][part]]
            for part in ("validation", "test")
        }
        shares = {part: torch.eye(3)[[n % 3 for n in range(len(own))]] for part, own in ids.items()}
        without = {"text": shares["test"].roll(1, 0), **({"audio": shares["test"]} if run.fold else {})}
        origin = {"run": run.name, "params": "{}"}
        save_predictions(folder.predictions_of(run), [Predictions(**shares)] * 2, [1, 2], ids, origin, without)
    stored = predictions.StoredPredictions(folder, plan)
    uses = [Use(run, 2, f"Ses0{run.fold + 1}") for run in runs]
    found = stored.without(uses)
    assert list(found) == ["text"]  # one run has none without speech
    assert set(stored.without(uses[1:])) == {"audio", "text"}
    assert found["text"][0].probabilities.argmax(1).tolist()[:3] == [2, 0, 1]
    assert stored.without([replace(use, epoch=1) for use in uses]) == {}
    assert stored.without([replace(uses[0], swapped=True)]) == {}
    keep_epochs(folder.predictions_of(runs[1]), [2])
    assert list(stored.without(uses)) == ["text"]
    ids = {part: [each["id"] for each in plan.utterances if each["group"] in plan.folds[0][part]] for part in ids}
    wrong = {"text": torch.full((2, 3), 0.5)}
    path = folder.predictions_of(runs[0])
    shares = {part: torch.eye(3)[[0] * len(own)] for part, own in ids.items()}
    save_predictions(path, [Predictions(**shares)], [1], ids, {"run": "", "params": "{}"}, wrong)
    with pytest.raises(UserError, match="without text are not those of its test utterances"):
        stored.without([replace(uses[0], epoch=1)])
