"""`ser-study evaluate`: figures by an independent oracle, intervals over speakers, other labels counted."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from study import SerModel
from study.inference.evaluate import bootstrap
from tests.plugins.exportable_study import N_UTTERANCES
from tests.plugins.study_process import here


@pytest.fixture(scope="module")
def rows(manifest: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_figures_are_those_of_scikit_learn_on_single_predictions(capsys, model, manifest, rows):
    code, out, _ = here(capsys, "evaluate", model, "--corpus", manifest, "--json")
    assert code == 0
    found, loaded = json.loads(out), SerModel.from_pretrained(model)
    truth = [row["label"] for row in rows]
    guess = [loaded(manifest.parent / row["file_name"], text=row["text"], top_k=1)[0]["label"] for row in rows]
    assert {name: score["value"] for name, score in found["scores"].items()} == pytest.approx(
        {
            "WA": accuracy_score(truth, guess),
            "UWA": balanced_accuracy_score(truth, guess),
            "WF1": f1_score(truth, guess, average="weighted", zero_division=0),
            "UWF1": f1_score(truth, guess, average="macro", zero_division=0),
        }
    )
    recalls = recall_score(truth, guess, average=None, labels=["calm", "tense"], zero_division=0)
    assert [found["recalls"][name]["value"] for name in ("calm", "tense")] == pytest.approx(list(recalls))
    assert (found["unit"], found["n_units"], found["n_utterances"]) == ("speaker", 6, N_UTTERANCES)
    assert all(score["low"] <= score["value"] <= score["high"] for score in found["scores"].values())
    assert any("the corpus that the model was trained on" in note for note in found["notes"])


def test_labels_that_do_not_map_are_left_out_and_counted(capsys, model, manifest, rows, tmp_path):
    names = {"calm": "relaxed", "tense": "tense"}
    other = [{**row, "label": names[row["label"]] if number > 4 else "bored"} for number, row in enumerate(rows)]
    other = [{**row, "file_name": str(manifest.parent / row["file_name"])} for row in other]
    path = write(tmp_path / "other.csv", other)
    (tmp_path / "map.json").write_text(json.dumps({"relaxed": "calm", "tense": "tense"}), encoding="utf-8")
    arguments = ("evaluate", model, "--corpus", path, "--allow-outside-files")
    code, out, _ = here(capsys, *arguments, "--label-map", tmp_path / "map.json")
    assert code == 0
    assert f"dropped: 5 of {N_UTTERANCES} utterances, for their label: 5 bored" in out
    assert f"{N_UTTERANCES - 5} utterances of 6 speakers" in out
    assert "trained on" not in out
    code, _, err = here(
        capsys, "evaluate", model, "--corpus", write(tmp_path / "none.csv", other[:4]), "--allow-outside-files"
    )
    assert code == 2
    assert "has none (its labels: bored); give a --label-map" in err


def test_utterances_that_cannot_be_predicted_are_in_no_score_and_are_counted(capsys, model, manifest, rows, tmp_path):
    other = [{**row, "file_name": str(manifest.parent / row["file_name"])} for row in rows]
    (tmp_path / "bad.wav").write_text("no sound")
    other[3]["file_name"] = "bad.wav"
    path = write(tmp_path / "other.csv", other)
    code, out, err = here(capsys, "evaluate", model, "--corpus", path, "--allow-outside-files", "--json")
    assert code == 1
    assert "1 utterance could not be predicted" in err
    assert json.loads(out)["n_utterances"] == N_UTTERANCES - 1
    assert list(json.loads(out)["failed"]) == ["said-03"]


def test_no_corpus_is_one_line(capsys, model):
    code, _, err = here(capsys, "evaluate", model)
    assert (code, err) == (2, "error: an evaluation needs a labelled corpus; name it with --corpus\n")


def test_intervals_over_speakers_cover_what_an_endless_number_of_them_would_show():
    """Speakers whose accuracies vary around .7: the interval of WA holds .7 in about 95 of 100 corpora."""
    generator, held = np.random.default_rng(0), 0
    for _ in range(200):
        accuracy = generator.beta(7, 3, size=30)
        right = generator.binomial(20, accuracy)
        by_speaker = np.stack([np.array([[n, 20 - n], [0, 0]]) for n in right])
        low, high = bootstrap(by_speaker)["WA"]
        held += low <= 0.7 <= high
    assert 0.88 <= held / 200 <= 0.99
