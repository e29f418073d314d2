"""A model trained with modality dropout predicts without words, and without speech; any other refuses as before."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from study import SerModel
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.inference import model_folder
from study.inference.export import export
from study.inference.inputs import items_of
from study.inference.model_config import config_of
from study.inference.predictor import Predictor
from study.inference.remarks import PredictionWarning
from study.inference.selected import Selected, select
from study.samplers.warm_start import warm_proposer
from study.training.predictions import load_ids, load_without
from tests.plugins.exportable_study import write_planned
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
