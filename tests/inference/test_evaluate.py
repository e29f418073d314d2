"""`ser-study evaluate`: figures by an independent oracle, intervals over speakers, other labels counted."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import accuracy_score, f1_score, recall_score

from study import SerModel
from study.corpus.utterance import Video
from study.inference.batch import Outcome
from study.inference.evaluate import evaluation, overlap_notes
from study.inference.inputs import Item
from study.inference.predictor import Prediction, Window
from study.inference.recording import utterance_of
from study.inference.trained_on import Overlap, TrainedOn, trained_on_of
from tests.plugins.exportable_study import N_UTTERANCES
from tests.plugins.study_process import here


@pytest.fixture(scope="module")
def rows(manifest: Path) -> list[dict[str, str]]:
    """The rows of the training corpus, with absolute paths."""
    found = list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))
    return [{**row, "file_name": str(manifest.parent / row["file_name"])} for row in found]


@pytest.fixture(scope="module")
def other(rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The rows of a corpus that was not trained on: the recordings a little quieter, with ids of their own."""
    folder = tmp_path_factory.mktemp("other")
    for row in rows:
        samples, rate_hz = soundfile.read(row["file_name"])
        soundfile.write(folder / Path(row["file_name"]).name, 0.8 * samples, rate_hz)
    return [
        {**row, "file_name": str(folder / Path(row["file_name"]).name), "utterance_id": f"new-{number}"}
        for number, row in enumerate(rows)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def evaluated(capsys, model, path, *more):
    code, out, err = here(capsys, "evaluate", model, "--corpus", path, "--allow-outside-files", "--json", *more)
    return code, json.loads(out) if out else {}, err


def guesses(model, rows):
    """The most probable class of each row by itself."""
    loaded = SerModel.from_pretrained(model)
    found = (loaded.predict(row["file_name"], text=row["text"]).probabilities for row in rows)
    return [loaded.labels[int(np.argmax(each))] for each in found]


def values(scores):
    return {name: score["value"] for name, score in scores.items()}


def scikit_learn(truth, guess, labels):
    return {
        "WA": accuracy_score(truth, guess),
        "UWA": recall_score(truth, guess, average="macro", labels=sorted(set(truth)), zero_division=0),
        "WF1": f1_score(truth, guess, average="weighted", zero_division=0),
        "UWF1": f1_score(truth, guess, average="macro", labels=labels, zero_division=0),
    }


def test_the_figures_are_those_of_scikit_learn_on_single_predictions(capsys, model, other, tmp_path):
    code, found, _ = evaluated(capsys, model, write(tmp_path / "other.csv", other))
    assert code == 0
    truth, guess = [row["label"] for row in other], guesses(model, other)
    assert values(found["scores"]) == pytest.approx(scikit_learn(truth, guess, ["calm", "tense"]))
    assert found["scores"] == found["shared"]
    recalls = recall_score(truth, guess, average=None, labels=["calm", "tense"], zero_division=0)
    assert [found["recalls"][name]["value"] for name in ("calm", "tense")] == pytest.approx(list(recalls))
    assert (found["unit"], found["n_units"], found["n_utterances"], found["n_all"]) == ("speaker", 6, 24, 24)
    assert all(score["low"] <= score["value"] <= score["high"] for score in found["scores"].values())
    assert found["training_overlap"] == {"n_utterances": 24, "n_equal": 0, "n_same_id": 0}
    assert found["notes"] == ["no words: 1 of 24 utterances"]


def test_classes_that_the_corpus_has_not_are_named_and_scores_among_the_others_are_beside(
    capsys, model, other, tmp_path
):
    calm = [row for row in other if row["label"] == "calm"]
    path = write(tmp_path / "calm.csv", calm)
    code, found, _ = evaluated(capsys, model, path)
    guess = guesses(model, calm)
    assert code == 0
    assert (found["classes"], found["absent"]) == (["calm"], ["tense"])
    assert values(found["scores"]) == pytest.approx(scikit_learn(["calm"] * len(calm), guess, ["calm", "tense"]))
    assert values(found["shared"]) == dict.fromkeys(("WA", "UWA", "WF1", "UWF1"), 1.0)
    _, out, _ = here(capsys, "evaluate", model, "--corpus", path, "--allow-outside-files")
    assert "coverage: 12 of 12 utterances have a label of the model, and 1 of its 2 classes occur" in out
    assert "each that does not occur (tense) counts 0 in UWF1 and is not in UWA" in out
    assert "among the 1 shared class alone, probabilities renormalised" in out


def test_scores_among_shared_classes_are_of_the_most_probable_shared_class():
    """Against probabilities that are divided by their sum, by hand."""
    generator, classes = np.random.default_rng(0), ("a", "b", "c", "d")
    shares = generator.dirichlet(np.ones(4), size=60)
    labels = generator.choice(["b", "d"], size=60)
    outcomes = [
        Outcome(
            Item("", replace(utterance_of(Path(), "so", str(n)), label=label, speaker=f"s{n % 5}")),
            Prediction((Window(tuple(own)),)),
        )
        for n, (label, own) in enumerate(zip(labels, shares, strict=True))
    ]
    found = evaluation(classes, outcomes)
    renormalised = shares[:, [1, 3]] / shares[:, [1, 3]].sum(1, keepdims=True)
    guess = np.where(renormalised[:, 0] > 0.5, "b", "d")
    assert {n: s.value for n, s in found.shared.items()} == pytest.approx(scikit_learn(labels, guess, ["b", "d"]))
    of_all = np.array(classes)[shares.argmax(1)]
    assert {n: s.value for n, s in found.scores.items()} == pytest.approx(scikit_learn(labels, of_all, list(classes)))


def test_the_corpus_that_a_model_was_trained_on_is_refused_whatever_it_is_called(capsys, model, rows, tmp_path):
    renamed = [{**row, "utterance_id": f"x{n}", "speaker": "one", "text": "other"} for n, row in enumerate(rows)]
    for name, own in (("own", rows), ("renamed", renamed), ("part", renamed[3:9])):
        code, _, err = evaluated(capsys, model, write(tmp_path / f"{name}.csv", own))
        assert (code, err.count("\n")) == (2, 1)
        assert f"all {len(own)} of {name} are those of its training corpus" in err


@pytest.mark.parametrize("kind", ["flac", "span"])
def test_training_recordings_among_others_are_counted_in_another_format_and_by_id(
    capsys, model, rows, other, tmp_path, kind
):
    seen = []
    for number in (2, 7, 9):  # with ids of their own
        samples, rate_hz = soundfile.read(rows[number]["file_name"], dtype="int16")
        path, span = tmp_path / f"{number}.{kind}.flac", ("", "")
        if kind == "span":
            samples, span = np.concatenate([samples[:1600], samples]), ("0.1", repr(0.1 + len(samples) / rate_hz))
        soundfile.write(path, samples, rate_hz)
        seen.append({**other[number], "file_name": str(path), "start": span[0], "end": span[1]})
    rest = [{**row, "start": "", "end": ""} for n, row in enumerate(other) if n not in (2, 7, 9)]
    rest[0]["utterance_id"] = rows[0]["utterance_id"]
    code, found, _ = evaluated(capsys, model, write(tmp_path / "some.csv", [*seen, *rest]))
    assert code == 0
    assert found["training_overlap"] == {"n_utterances": 24, "n_equal": 3, "n_same_id": 1}
    assert "3 of 24 utterances have recordings of the training corpus: their scores are no test" in found["notes"]
    assert (
        "1 of 24 utterances have ids of the training corpus and other recordings: they may be of it" in found["notes"]
    )


def test_where_words_alone_are_read_equal_words_are_counted_whatever_their_case():
    def said(words, id):
        return utterance_of(Path(), words, id)

    quiet = {"reads": ("text",), "on_read": lambda *_: None}
    trained = TrainedOn.of([said("Not again.", "a"), said("so it is", "b"), said("", "c")], "salt", **quiet)
    assert trained_on_of(trained.to_text()) == trained
    others = [said("not again", "x"), said("another", "b"), said("", "y"), said("new", "z")]
    assert trained.overlap(others, **quiet) == Overlap(n_utterances=4, n_equal=1, n_same_id=1)
    assert "again" not in trained.to_text()


def test_where_film_alone_is_read_the_same_part_of_an_equal_film_is_counted_and_words_are_not(tmp_path):
    def seen(id, name, *part, words="so it is"):
        return replace(utterance_of(Path(), words, id), video=Video(tmp_path / name, *part))

    for name, content in (("a.mp4", b"one"), ("copy.mkv", b"one"), ("b.mp4", b"other")):
        (tmp_path / name).write_bytes(content)
    quiet = {"reads": ("video",), "on_read": lambda *_: None}
    known = [seen("1", "a.mp4", 0.0, 2.0, "left"), seen("2", "a.mp4", 2.0, 4.0, "left"), seen("3", "b.mp4")]
    trained = TrainedOn.of([*known, utterance_of(Path(), "so it is", "4")], "salt", **quiet)
    assert trained_on_of(trained.to_text()) == trained
    assert (len(trained.recordings), trained.words) == (3, frozenset())
    others = [
        seen("x", "copy.mkv", 2.0, 4.0, "left", words="new"),
        seen("y", "a.mp4", 2.0, 4.0, "right"),
        seen("1", "a.mp4", 0.0, 1.0, "left"),
        seen("z", "absent.mp4"),
        utterance_of(Path(), "so it is", "4"),
    ]
    found = trained.overlap(others, **quiet)
    assert found == Overlap(n_utterances=5, n_equal=1, n_same_id=2)
    assert [note.partition(" have ")[2].partition(" of ")[0] for note in overlap_notes(found, ("video",))] == [
        "films", "ids",
    ]  # fmt: skip


def test_a_folder_that_does_not_say_what_it_was_trained_on_is_said(capsys, model, rows, other, tmp_path):
    old = Path(shutil.copytree(model, tmp_path / "old"))
    (old / "trained_on.json").unlink()
    code, found, _ = evaluated(capsys, old, write(tmp_path / "other.csv", other))
    assert code == 0
    assert found["training_overlap"] is None
    assert any("is not known: the folder does not say; export it anew" in note for note in found["notes"])
    assert evaluated(capsys, old, write(tmp_path / "own.csv", rows))[0] == 2  # by the digest of the corpus


def test_labels_that_do_not_map_are_left_out_and_counted(capsys, model, other, tmp_path):
    names = {"calm": "relaxed", "tense": "tense"}
    odd = [{**row, "label": names[row["label"]] if number > 4 else "bored"} for number, row in enumerate(other)]
    path = write(tmp_path / "odd.csv", odd)
    (tmp_path / "map.json").write_text(json.dumps({"relaxed": "calm", "tense": "tense"}), encoding="utf-8")
    arguments = ("evaluate", model, "--corpus", path, "--allow-outside-files")
    code, out, _ = here(capsys, *arguments, "--label-map", tmp_path / "map.json")
    assert code == 0
    assert f"dropped: 5 of {N_UTTERANCES} utterances, for their label: 5 bored" in out
    assert f"{N_UTTERANCES - 5} utterances of 6 speakers" in out
    assert "coverage: 19 of 24 utterances have a label of the model, and 2 of its 2 classes occur" in out
    assert "training" not in out
    code, _, err = here(
        capsys, "evaluate", model, "--corpus", write(tmp_path / "none.csv", odd[:4]), "--allow-outside-files"
    )
    assert code == 2
    assert "has none (its labels: bored); give a --label-map" in err


def test_utterances_that_cannot_be_predicted_are_in_no_score_and_are_counted(capsys, model, other, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    away = {3: "bad.wav", 4: "none.wav"}
    rows = [{**row, "file_name": away.get(number, row["file_name"])} for number, row in enumerate(other)]
    code, found, err = evaluated(capsys, model, write(tmp_path / "other.csv", rows))
    assert code == 1
    assert "2 utterances could not be predicted" in err
    assert found["n_utterances"] == N_UTTERANCES - 2
    assert list(found["failed"]) == ["new-3", "new-4"]
    assert "cannot be decoded (it does not exist)" in found["failed"]["new-4"]


def test_no_corpus_is_one_line(capsys, model):
    code, _, err = here(capsys, "evaluate", model)
    assert (code, err.count("\n")) == (2, 1)
    assert "an evaluation needs a labelled corpus, or recognised words of the study's own; name it with --corpus" in err
    code, _, err = here(capsys, "evaluate", model, "--corpus", "nowhere.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith("found nothing at nowhere.csv; name one that is there\n")
