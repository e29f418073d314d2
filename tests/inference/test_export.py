"""An exported folder predicts what its study has stored, or is not exported; and holds nothing of the corpus."""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from study.errors import UserError
from study.inference import model_folder
from study.inference.export import export
from study.inference.predictor import Predictor
from study.inference.selected import select
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.training.predictions import load_ids, load_probabilities
from tests.plugins.exportable_study import write_exportable


def export_folds(selected, corpus, to, on_progress=lambda *_: None):
    how = {"weights": "folds", "license": None, "trust_remote_code": False, "on_progress": on_progress}
    return export(selected, corpus, to, **how)


def test_the_members_are_the_reported_runs_of_every_fold_and_new_seed(model, finished):
    members = model_folder.read(model).config.members
    assert sorted((member.fold, member.seed) for member in members) == [(f, s) for f in range(3) for s in (1, 2)]


def test_each_member_predicts_of_what_it_was_tested_on_what_its_run_has_stored(model, finished):
    """From the recordings on, against the file that the worker wrote: nothing of the export is in between."""
    folder, corpus = finished
    predictor = Predictor(model_folder.read(model))
    utterances = {utterance.id: utterance for utterance in corpus.utterances}
    for number, member in enumerate(predictor.config.members):
        path = folder.predictions / f"{member.run}.safetensors"
        stored = load_probabilities(path, "test", member.epoch).numpy()
        found = [predictor.of_members(utterances[id])[number].numpy() for id in load_ids(path, "test")]
        np.testing.assert_allclose(found, stored, atol=2e-6)


def test_a_prediction_is_the_mean_of_the_members_scaled_by_the_temperature(model, finished):
    predictor = Predictor(model_folder.read(model))
    utterance = finished[1].utterances[3]
    temperature = predictor.config.temperature
    assert temperature != 1
    mean = (predictor.of_members(utterance).double().log() / temperature).softmax(1).mean(0)
    np.testing.assert_allclose(predictor.predict(utterance).probabilities, mean, atol=1e-12)


def test_the_figures_are_those_of_the_report(model, finished):
    from study.report.build import build

    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    variant = build(finished[0]).to_json()["variants"]["cross"]
    assert metrics["tuned"] == variant["tuned"]["figures"]
    assert metrics["published"] == variant["published"]["figures"]
    assert metrics["details"]["recalls"] == variant["details"]["recalls"]
    plan, ledger = Plan.read(finished[0]), finished[0].ledger.read_bytes()
    digests = {"plan": plan.digest(), "ledger": hashlib.sha256(ledger).hexdigest(), "corpus": finished[1].digest()}
    assert metrics["digests"] == digests
    assert metrics["check"]["n_utterances"] >= 10
    assert metrics["check"]["largest"] < 1e-5


def test_nothing_of_the_corpus_is_in_the_folder(model, finished):
    content = b"".join(path.read_bytes() for path in model.iterdir())
    for utterance in finished[1].utterances:
        assert utterance.id.encode() not in content
        assert not utterance.words or utterance.words.encode() not in content
    assert {path.name for path in model.iterdir()} == set(model_folder.FILES)


def test_weights_that_were_removed_are_trained_again_to_the_same_predictions(finished, exported, model, tmp_path):
    folder = finished[0]
    kept = tmp_path / "checkpoints"
    shutil.copytree(folder.checkpoints, kept)
    try:
        for path in folder.checkpoints.glob("cross-c000-f0-*"):
            path.unlink()
        again = exported(tmp_path / "again")
    finally:
        shutil.copytree(kept, folder.checkpoints, dirs_exist_ok=True)
    assert again.trained_again == 2
    assert (again.folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def test_an_epoch_before_the_last_is_exported_as_the_report_counts_it(tmp_path, manifest):
    """Without new seeds the search's runs are reported, and these go on after the epoch that counts."""
    folder, corpus = write_exportable(tmp_path, manifest, "--variant", "text", "--seeds", "0", "--epoch-rule", "best")
    selected = select(folder)
    early = {use.run.fold for use in selected.uses if use.epoch < 3}
    assert early, "an own best epoch before the last, or this test shows nothing"
    shown = []
    found = export_folds(selected, corpus, tmp_path / "model", lambda *step: shown.append(step))
    assert found.trained_again == len(early)
    assert found.check.largest < 1e-5
    assert {what for what, _, _ in shown} > {f"training text-c000-f{fold}-s0 again" for fold in early}


def test_a_nested_study_gives_each_run_of_its_whole_choice_once(tmp_path, manifest):
    folder, corpus = write_exportable(tmp_path, manifest, "--variant", "text", "--protocol", "nested")
    selected = select(folder)
    found = export_folds(selected, corpus, tmp_path / "model")
    assert Counter(member.fold for member in found.config.members) == {0: 1, 1: 1, 2: 1}
    assert not any(use.swapped for use in selected.uses)
    metrics = json.loads((found.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["shared"]["test"]["UWA"]["mean"] == selected.outcome.nested.shared["test"]["UWA"].mean


def test_one_model_of_all_data_trains_for_the_median_epoch_with_a_seed_of_its_own(exported, finished, model, tmp_path):
    found = exported(tmp_path / "refit", weights="refit")
    (member,) = found.config.members
    epochs = sorted(use.epoch for use in select(finished[0], "cross").uses)
    assert (member.fold, member.epoch) == (None, epochs[(len(epochs) - 1) // 2])
    assert found.check.largest < 1e-5
    assert "compared with the trained model on the study's stored features" in found.check.sentence
    config, other = (json.loads((each / "config.json").read_text(encoding="utf-8")) for each in (found.folder, model))
    assert "nothing is left to fit one of this model on" in config["temperature_fitted_on"]
    assert other["temperature_fitted_on"] == "validation predictions of the members"
    scaling = model_folder.read(found.folder).tensors["members.0.scaling.audio.mean"]
    frames = select(finished[0], "cross").streams()["audio"].frames.double()
    torch.testing.assert_close(scaling.double(), frames.mean(0), atol=1e-4, rtol=1e-4)
    folds = model_folder.read(model).tensors
    assert not torch.equal(
        model_folder.read(found.folder).tensors["members.0.model.head.classify.weight"],
        folds["members.0.model.head.classify.weight"],
    )


def test_a_recording_that_was_changed_since_is_found_and_nothing_is_exported(finished, exported, manifest, tmp_path):
    corpus = finished[1]
    paths = {utterance.audio: utterance.audio.read_bytes() for utterance in corpus.utterances}
    try:
        for path in paths:
            soundfile.write(path, np.random.default_rng(1).standard_normal(8000) * 0.3, 16_000)
        with pytest.raises(UserError, match=r"probabilities differ by .* nothing was exported"):
            exported(tmp_path / "model")
    finally:
        for path, content in paths.items():
            path.write_bytes(content)
    assert list(tmp_path.iterdir()) == []


def test_another_corpus_is_refused(finished, tmp_path):

    folder, corpus = finished
    other = replace(corpus, utterances=corpus.utterances[1:])
    with pytest.raises(UserError, match="other utterances, words or labels"):
        export(
            select(folder),
            other,
            tmp_path / "model",
            weights="folds",
            license=None,
            trust_remote_code=False,
            on_progress=lambda *_: None,
        )


def test_a_folder_with_something_else_is_left_alone(exported, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        exported(tmp_path)


def test_a_model_that_is_replaced_is_said(exported, audio_model, tmp_path):
    shutil.copytree(audio_model, tmp_path / "model")
    assert exported(tmp_path / "model", search="audio").replaces
    assert not exported(tmp_path / "other", search="audio").replaces


@pytest.mark.parametrize("license", ["", "two words", "x" * 65, "mit\nlanguage: en"])
def test_a_licence_is_an_identifier(exported, tmp_path, license):
    with pytest.raises(UserError, match="--license expects an identifier"):
        exported(tmp_path / "model", license=license)


def test_a_variant_that_the_study_has_not_is_refused_with_those_that_it_has(finished):
    with pytest.raises(UserError, match="--variant expects one that tiny has selected for: cross, audio; found mdre"):
        select(finished[0], "mdre")


def test_an_unfinished_study_is_refused_with_how_to_go_on(tmp_path):
    from tests.plugins.tiny_study import run_study, write_study

    study = write_study(tmp_path)
    run_study(study, n_epochs=5)
    with pytest.raises(UserError, match=r"has something left .* go on with `ser-study run --config"):
        select(StudyFolder(Path(study.folder.path)))
