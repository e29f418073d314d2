"""A model trained with modality dropout predicts without words, and without speech; any other refuses as before."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile
import torch

from study import SerModel
from study.corpus.utterance import NO_FILE, Corpus
from study.errors import UserError
from study.inference import model_folder
from study.inference.export import export
from study.inference.inputs import items_of
from study.inference.mlflow_loader import _load_pyfunc
from study.inference.model_config import config_of
from study.inference.page import answer
from study.inference.predictor import Predictor
from study.inference.refit import refit, refit_epochs
from study.inference.remarks import PredictionWarning
from study.inference.selected import Selected, select
from study.samplers.warm_start import warm_proposer
from study.training.batches import Part
from study.training.loop import probabilities
from study.training.predictions import load_ids, load_without
from tests.plugins.exportable_study import write_planned
from tests.plugins.study_process import here
from tests.plugins.tiny_study import run_study


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory, manifest: Path) -> tuple[Selected, Corpus, Path]:
    """A study of `concat` with modality dropout, and its model folder."""
    output = tmp_path_factory.mktemp("dropped")
    options = ("--variant", "concat", "--modality-dropout", ".3", "--seeds", "1", "--finalists", "1")
    study, corpus = write_planned(output, manifest, *options)
    terms = study.plan.terms
    run_study(study, warm_proposer(terms.seed, terms.sampler, study.plan.prior, study.plan.choices()))
    selected = select(study.folder)
    more = {"license": None, "trust_remote_code": False, "on_progress": lambda *_: None}
    export(selected, corpus, output / "model", weights="folds", **more)
    return selected, corpus, output / "model"


def test_without_words_its_members_predict_what_the_study_has_stored(dropped: tuple[Selected, Corpus, Path]) -> None:
    selected, corpus, folder = dropped
    predictor = Predictor(model_folder.read(folder))
    said = {utterance.id: utterance for utterance in corpus.utterances}
    for number, use in enumerate(selected.uses):
        path = selected.folder.predictions_of(use.run)
        stored, ids = load_without(path, use.epoch), load_ids(path, "test")
        found = predictor.of_members(replace(said[ids[0]], words=""))
        torch.testing.assert_close(found[number], stored["text"][0], atol=1e-3, rtol=0)


def test_words_are_of_no_use_to_what_predicts_without_them_and_it_says_so(
    dropped: tuple[Selected, Corpus, Path], manifest: Path
) -> None:
    model, recording = SerModel.from_pretrained(dropped[2]), str(manifest.parent / "said-03.wav")
    with pytest.warns(PredictionWarning, match="no words: the model was trained to do without words"):
        without = model(recording)
    with_words = model(recording, text="run away now")
    assert sum(each["score"] for each in without) == pytest.approx(1)
    assert without != with_words
    with pytest.warns(PredictionWarning, match="no speech: the model was trained to do without speech"):
        assert model(None, text="run away now") not in (without, with_words)
    with pytest.raises(UserError, match="no recording is given"):
        model(None)


def test_inputs_may_lack_words_or_sound_but_not_both(dropped: tuple[Selected, Corpus, Path], manifest: Path) -> None:
    config = model_folder.read(dropped[2]).config
    assert len(items_of([str(manifest.parent)], None, config)) == 24
    (item,) = items_of([], "run away now", config)
    assert item.utterance is not None
    with pytest.raises(UserError, match="no recording is given"):
        items_of([], None, config)


def test_a_model_that_never_lacked_words_refuses_and_names_what_would_do(model: Path, manifest: Path) -> None:
    recording = str(manifest.parent / "said-03.wav")
    with pytest.raises(UserError, match=r"found .* without any; .* trained with modality dropout needs none"):
        items_of([recording], None, model_folder.read(model).config)
    with pytest.raises(UserError, match=r"(?s)none are given; .*modality.dropout"):
        SerModel.from_pretrained(model)(recording)


def test_one_model_of_all_data_learns_vectors_and_predicts_without_words_as_it_was_trained(
    dropped: tuple[Selected, Corpus, Path], tmp_path: Path
) -> None:
    """Against the model that is trained once more by itself, on the study's stored features."""
    selected, corpus, _ = dropped
    more = {"license": None, "trust_remote_code": False, "on_progress": lambda *_: None}
    found = export(selected, corpus, tmp_path / "refit", weights="refit", **more)
    predictor = Predictor(model_folder.read(found.folder))
    assert predictor.config.missing == ("audio", "text")
    own = refit(selected.plan, selected.search, selected.params, refit_epochs(selected.uses), lambda *_: None)
    assert all(vector.any() for vector in own.module.vectors.values())
    ids, streams = tuple(each.id for each in corpus.utterances[:4]), selected.streams()
    rows = {name: pack.rows(ids) for name, pack in streams.items()}
    part = Part(ids, torch.zeros(4, dtype=torch.long), streams, rows, own.scaling, torch.device("cpu"))
    for name, lack in (("text", {"words": ""}), ("audio", {"audio": NO_FILE})):
        expected = probabilities(own.module, part.without(name), 2)
        members = [predictor.of_members(replace(each, **lack)) for each in corpus.utterances[:4]]
        torch.testing.assert_close(torch.cat(members), expected, atol=1e-4, rtol=0)


def test_the_page_predicts_from_either_and_says_what_was_missing(
    dropped: tuple[Selected, Corpus, Path], model: Path, manifest: Path
) -> None:
    loaded, recording = SerModel.from_pretrained(dropped[2]), str(manifest.parent / "said-03.wav")
    for words, noun, inputs in ((" ", "words", recording), ("run away now", "speech", None)):
        found = answer(loaded, inputs, words)
        assert found.notes == (f"no {noun}: the model was trained to do without {noun}, and does worse without",)
        expected = loaded.predict(inputs, text=words.strip() or None)
        assert (found.words, list(found.shares.values())) == (words, list(expected.probabilities))
    with pytest.raises(UserError, match="no recording is given"):
        answer(loaded, None, "")
    # One that has no vector for the lack of words reads an empty box as silence, and needs sound.
    plain = SerModel.from_pretrained(model)
    assert answer(plain, recording, "").notes == ("no words: the model reads words, and there are none here",)
    with pytest.raises(UserError, match="no recording is given; name one"):
        answer(plain, None, "run away now")


def test_rows_of_a_served_model_may_lack_words_or_sound(
    dropped: tuple[Selected, Corpus, Path], model: Path, manifest: Path
) -> None:
    recording = str(manifest.parent / "said-03.wav")
    rows = pandas.DataFrame({"audio": [recording, recording, None], "text": ["run away now", None, "run away now"]})
    found = _load_pyfunc(str(dropped[2])).predict(rows)
    loaded = SerModel.from_pretrained(dropped[2])
    expected = [loaded.predict(recording, text="run away now"), loaded.predict(recording)]
    expected.append(loaded.predict(None, text="run away now"))
    for number, each in enumerate(expected):
        assert found.loc[number, [f"p_{name}" for name in loaded.labels]].tolist() == list(each.probabilities)
    assert [note.partition(":")[0] for note in found["note"]] == ["", "no words", "no speech"]
    without = _load_pyfunc(str(dropped[2])).predict(rows[["audio"]][:1])
    assert without["note"][0].startswith("no words: ")
    for row, lack in ((1, "reads words, and none are given"), (2, "reads .*, and no recording is given")):
        with pytest.raises(UserError, match=f"^row 0: .* {lack}"):
            _load_pyfunc(str(model)).predict(rows[row : row + 1])
    with pytest.raises(UserError, match=r"^row 0: .* no recording is given"):
        _load_pyfunc(str(dropped[2])).predict(pandas.DataFrame({"audio": [None], "text": [""]}))


def test_an_evaluation_scores_utterances_without_words_among_the_others_and_counts_them(
    dropped: tuple[Selected, Corpus, Path], manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, path in enumerate(sorted(manifest.parent.glob("*.wav"))):
        samples, rate_hz = soundfile.read(path)
        soundfile.write(tmp_path / path.name, (0.5 + 0.01 * number) * samples, rate_hz)
    rows = list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))
    given = [{**row, "text": row["text"] if number % 2 else ""} for number, row in enumerate(rows)]
    loaded = SerModel.from_pretrained(dropped[2])
    for columns, n_lacking in ((tuple(rows[0]), 13), (tuple(name for name in rows[0] if name != "text"), 24)):
        with (tmp_path / "other.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(given)
        code, out, err = here(capsys, "evaluate", dropped[2], "--corpus", tmp_path / "other.csv", "--json")
        assert (code, err) == (0, "")
        own = [
            loaded.predict(tmp_path / row["file_name"], text=row["text"] if "text" in columns else None)
            for row in given
        ]
        right = [
            loaded.labels[int(np.argmax(each.probabilities))] == row["label"]
            for each, row in zip(own, given, strict=True)
        ]
        found = json.loads(out)
        assert found["scores"]["WA"]["value"] == pytest.approx(sum(right) / 24)
        assert f"no words: {n_lacking} of 24 utterances" in found["notes"]


def test_the_folder_says_what_it_learned_and_the_card_what_it_reaches(dropped: tuple[Selected, Corpus, Path]) -> None:
    selected, _, folder = dropped
    found = model_folder.read(folder)
    assert found.config.missing == ("audio", "text")
    assert config_of(found.config.to_text()) == found.config
    assert [each["lack"] for each in found.metrics["lacking"]] == ["speech", "words"]
    assert found.metrics["lacking"][1]["test"]["UWA"]["mean"] == pytest.approx(selected.lacking[1].test["UWA"].mean)
    assert "| without words |" in found.card
    assert "predict without speech or words, too" in found.card
    plain = replace(found.config, missing=())
    assert '"missing"' not in plain.to_text()
    for wrong in ('["smell"]', '["text", "text"]', '"text"', "[1]"):
        text = found.config.to_text().replace('"missing": [\n  "audio",\n  "text"\n ]', f'"missing": {wrong}')
        with pytest.raises(ValueError, match="missing"):
            config_of(text)
