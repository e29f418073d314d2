"""`ser-study evaluate STUDY --words`: recognised words beside true ones, against single predictions by hand."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from study.app.cli import main
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.hashed_words import HashedWords
from study.features.pack import Pack
from study.inference import model_folder
from study.inference.predictor import Predictor
from study.inference.recognised import on_recognised_words
from study.inference.recognised_frames import RecognisedFrames
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.recognised_words import read_recognised_words
from study.report.build import build
from study.report.pages import html_page, markdown_page
from study.report.recognised import RecognisedView, recognised_lines
from study.training.metrics import METRICS, score
from tests.plugins.exportable_study import N_UTTERANCES, write_exportable
from tests.plugins.study_process import here


@pytest.fixture
def study(finished: tuple[StudyFolder, Corpus], tmp_path: Path) -> StudyFolder:
    """A copy of the finished study: scores are written into its folder."""
    shutil.copytree(finished[0].path.parent.parent, tmp_path / "mlruns")
    return StudyFolder.of(tmp_path / "mlruns", "tiny")


def rewritten(manifest: Path, to: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> Path:
    """A manifest whose rows are changed; its recordings are where they were, and are not read."""
    rows = [change(row) for row in csv.DictReader(manifest.read_text(encoding="utf-8").splitlines())]
    with to.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return to


def silent(row: dict[str, str]) -> dict[str, str]:
    return {**row, "text": ""}


def scored(folder: StudyFolder, manifest: Path, words: Path) -> RecognisedView:
    """What the report shows after the words of a manifest are scored, without the pictures of the command."""
    true, recognised = (
        open_corpus(CorpusOptions(corpus=str(path), allow_outside_files=True), ()) for path in (manifest, words)
    )
    how = {"places": {}, "trust_remote_code": False, "on_progress": lambda *_: None}
    on_recognised_words(folder, true, recognised, (words.name, "0" * 64), **how).write(folder)
    found = build(folder).recognised
    assert found is not None
    return found


def evaluated(capsys, folder: StudyFolder, words: Path, *more: object) -> tuple[int, str, str]:
    return here(capsys, "evaluate", folder.path.name, "--words", words, "--output", folder.path.parent.parent, *more)


@pytest.mark.parametrize(
    "options", [(), ("--variant", "text", "--protocol", "nested"), ("--variant", "cross-cls", "--seeds", "0")]
)
def test_with_the_true_words_figures_are_those_of_the_report(study, manifest, tiny_encoder, tmp_path, options):
    """Under every protocol, and from sentence vectors: where weights of the epoch were not kept, too."""
    if options:
        encoder = ("--text-encoder", str(tiny_encoder("bert"))) if "cross-cls" in options else ()
        study, _ = write_exportable(tmp_path / "own", manifest, *options, *encoder)
    found = scored(study, manifest, manifest)
    view = build(study)
    (name,) = (name for name, variant in view.variants.items() if "text" in variant.modalities and variant.trained)
    assert list(found.recognised) == [name]  # `audio` reads no words
    for metric in METRICS:
        tuned = view.variants[name].tuned.figures["test"][metric]
        own = found.recognised[name][metric]
        assert found.true[name][metric] == tuned
        assert own.folds == pytest.approx(tuned.folds, abs=1e-6)
        assert (own.mean, own.std) == pytest.approx((tuned.mean, tuned.std), abs=1e-6)
    assert found.word_error_rate == 0
    assert found.empty_share == pytest.approx(1 / N_UTTERANCES)  # one says nothing


def test_without_words_each_run_scores_what_its_model_predicts_of_silence(study, model, finished, manifest, tmp_path):
    """Against the members of the exported folder, on the recordings of the sessions that each has never seen."""
    words = rewritten(manifest, tmp_path / "silent.csv", silent)
    view, plan = scored(study, manifest, words), Plan.read(study)
    predictor = Predictor(model_folder.read(model))
    scores: dict[int, list[dict[str, float]]] = {}
    for number, member in enumerate(predictor.config.members):
        tested = [u for u in finished[1].utterances if u.group in plan.folds[member.fold]["test"]]
        found = [predictor.of_members(replace(u, words=""))[number].numpy().argmax() for u in tested]
        labels = np.array([plan.classes.index(u.label) for u in tested])
        scores.setdefault(member.fold, []).append(score(labels, np.array(found), len(plan.classes)))
    for metric in METRICS:
        by_fold = [np.mean([each[metric] for each in own]) for own in scores.values()]
        found = view.recognised["cross"][metric]
        assert found.folds == pytest.approx(by_fold)
        assert (found.mean, found.std) == pytest.approx((np.mean(by_fold), np.std(by_fold, ddof=1)))
    assert (view.word_error_rate, view.empty_share) == (1, 1)


def test_only_changed_words_are_encoded_and_frames_and_vectors_of_the_others_are_the_stored_ones(study, finished):
    (choice,), said = Plan.read(study).features["text"], finished[1].utterances[7]
    stored = Pack.open(Path(choice.path))
    found = RecognisedFrames([replace(said, words="so say I")], {}, False, lambda *_: None).pack(choice)
    tokens, sentence = HashedWords().encode(["so say I"])[0]
    for row, id in enumerate(stored.ids):
        assert torch.equal(found.of(row), tokens.half() if id == said.id else stored.of(row))
        assert torch.equal(found.vectors[row], sentence.half() if id == said.id else stored.vectors[row])
    assert found.ids == stored.ids
    assert len(found.frames) == len(stored.frames) - len(stored.of(stored.ids.index(said.id))) + len(tokens)


def test_recognised_words_go_from_transcribe_into_every_form_of_the_report(
    capsys, study, manifest, tiny_recogniser, tmp_path
):
    asr, words = str(tiny_recogniser("ctc")), tmp_path / "heard.csv"
    assert main(["transcribe", str(manifest), "--asr", asr, "--to", str(words)]) == 0
    before = build(study)
    assert "recognised" not in before.to_json()
    assert "ecognised words" not in html_page(before, {}) + markdown_page(before, {})
    code, out, _ = evaluated(capsys, study, words)
    assert code == 0
    shown = build(study).recognised
    assert shown is not None
    assert all(line in out for line in recognised_lines(shown))
    page, text = ((study.path / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    stored = json.loads((study.path / "report.json").read_text(encoding="utf-8"))["recognised"]
    assert stored["word_error_rate"] > 0.5
    for shown in (page, text):
        assert "Words of heard.csv (digest " in shown
        assert "word error rate" in shown
    assert "| cross | recognised words |" in text
    assert "<td>cross</td><td>recognised words</td>" in page


def test_the_word_error_rate_counts_edits_of_all_words_whatever_their_case_and_punctuation(study, manifest, tmp_path):
    changes = {"said-00": "All is well... 0", "said-01": "all well 1", "said-02": "is all so well 2", "said-05": "hm"}

    def change(row: dict[str, str]) -> dict[str, str]:
        return {**row, "text": changes.get(row["utterance_id"], row["text"])}

    scored(study, manifest, rewritten(manifest, tmp_path / "some.csv", change))
    words = read_recognised_words(study, Plan.read(study))
    assert words is not None
    # "is" is deleted; "is" is inserted before "all" and another replaced; "hm" is inserted where nothing is said.
    assert (words.n_words, words.n_edits, words.n_empty) == (23 * 4, 1 + 2 + 1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: {**row, "label": "tense" if row["label"] == "calm" else "calm"}, "other utterances, labels"),
        (lambda row: {**row, "utterance_id": f"x{row['utterance_id']}"}, "has 24 utterances of other ids"),
        (lambda row: {**row, "group": f"x{row['group']}"}, "other utterances, labels, speakers or groups"),
    ],
)
def test_another_corpus_is_refused_and_nothing_is_written(capsys, study, manifest, tmp_path, change, message):
    code, _, err = evaluated(capsys, study, rewritten(manifest, tmp_path / "other.csv", change))
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert not study.recognised_words.exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--json"], "leave out --labels"),
        (["--asr", "openai/whisper-small"], "leave out --asr"),
        (["--corpus", "nowhere.csv"], "compared with the true ones of the study's corpus"),
    ],
)
def test_wrong_use_is_one_line(capsys, study, manifest, more, message):
    code, _, err = evaluated(capsys, study, manifest, *more)
    assert (code, err.count("\n"), message in err) == (2, 1, True), err
    code, _, err = evaluated(capsys, study, manifest.with_name("none.csv"))
    assert (code, "is no file" in err) == (2, True)
    code, _, err = evaluated(capsys, StudyFolder.of(study.path.parent.parent, "nothing"), manifest)
    assert (code, "no study at" in err) == (2, True)


def test_a_study_that_reads_no_words_is_refused(capsys, manifest, tmp_path):
    folder, _ = write_exportable(tmp_path / "mlruns", manifest, "--variant", "audio", "--seeds", "0")
    code, _, err = evaluated(capsys, folder, manifest)
    assert (code, err.count("\n")) == (2, 1)
    assert "are for variants that read words" in err


def test_scores_of_an_earlier_selection_are_not_shown_as_those_of_this_one(study, manifest, tmp_path):
    scored(study, manifest, rewritten(manifest, tmp_path / "silent.csv", silent))
    found = json.loads(study.recognised_words.read_text())
    found["runs"]["cross"][0]["epoch"] += 1
    study.recognised_words.write_text(json.dumps(found))
    view = build(study).recognised
    assert (view.outdated, view.recognised) == (("cross",), {})
    assert "Of cross, other runs are reported" in markdown_page(build(study), {})


HOSTILE = {
    "no JSON": lambda found: "[" * 100_000,
    "a list": lambda found: [],
    "another format": lambda found: {**found, "format": 2},
    "another plan": lambda found: {**found, "plan": "0" * 64},
    "more": lambda found: {**found, "hidden": 1},
    "negative": lambda found: {**found, "n_empty": -1},
    "true": lambda found: {**found, "n_empty": True},
    "a number for a name": lambda found: {**found, "manifest": 3},
    "runs of another kind": lambda found: {**found, "runs": {"cross": [3]}},
    "no matrix": lambda found: {**found, "runs": {"cross": [{**found["runs"]["cross"][0], "counts": [[1]]}]}},
    "no utterance": lambda found: {**found, "runs": {"cross": [{**found["runs"]["cross"][0], "counts": [[0, 0]] * 2}]}},
    "more utterances": lambda found: {
        **found,
        "runs": {"cross": [{**found["runs"]["cross"][0], "counts": [[10**9, 0], [0, 1]]}]},
    },
}


def test_hostile_scores_are_refused_by_what_is_wrong(study, manifest, tmp_path):
    scored(study, manifest, rewritten(manifest, tmp_path / "silent.csv", silent))
    found = json.loads(study.recognised_words.read_text())
    for change in HOSTILE.values():
        changed = change(found)
        study.recognised_words.write_text(changed if isinstance(changed, str) else json.dumps(changed))
        with pytest.raises(UserError, match=r"recognised_words\.json cannot be used") as refused:
            read_recognised_words(study, Plan.read(study))
        assert "\n" not in str(refused.value)
