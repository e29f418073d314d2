"""A whole study that leaves one speaker out at a time: six sessions of two, so twelve folds."""

import csv
from collections import Counter

import pytest

from study.app.planning import continued
from study.app.result import spaces
from study.errors import UserError
from study.report import write
from study.report.build import build
from study.stored_plan import stored_plan
from tests.plugins.exportable_study import write_planned, write_searched
from tests.plugins.study_process import here, lines_of
from tests.plugins.word_corpora import write_words

SPEAKERS = {f"{session}{letter}": (f"Ses{session}", "") for session in "123456" for letter in "FM"}
TERMS = ("--variant", "text", "--epochs", "4", "--configs", "3", "--finalists", "1", "--seeds", "1")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words"), SPEAKERS)


@pytest.fixture(scope="module")
def study(tmp_path_factory, manifest):
    return write_searched(tmp_path_factory.mktemp("output"), manifest, *TERMS, "--folds", "speaker")


def test_every_speaker_is_tested_once_and_validated_by_its_partner(study):
    assert [(fold["test"], fold["validation"]) for fold in study.plan.folds] == [
        ([f"{session}{one}"], [f"{session}{other}"]) for session in "123456" for one, other in ("FM", "MF")
    ]
    assert all(len(fold["training"]) == 10 for fold in study.plan.folds)
    assert stored_plan(study.folder) == study.plan


def test_the_race_goes_over_all_twelve_folds(study):
    lines = lines_of(study.folder.ledger)
    epochs = [line for line in lines if line["kind"] == "epoch" and line["seed"] == 0]
    complete = [line["config"] for line in lines if line["kind"] == "closed" and line["outcome"] == "complete"]
    folds = Counter((line["config"], line["fold"]) for line in epochs)
    assert complete
    assert all(folds[config, fold] == 4 for config in complete for fold in range(12))
    confirmed = {(line["config"], line["fold"]) for line in lines if line["kind"] == "epoch" and line["seed"] == 1}
    assert {fold for config, fold in confirmed if config == 0} == set(range(12))


def test_every_utterance_is_predicted_once_by_models_that_never_saw_its_speaker(study):
    write.write(study.folder, spaces(study.plan))
    rows = list(csv.DictReader((study.folder.path / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert Counter(row["utterance_id"] for row in rows) == {each["id"]: 1 for each in study.plan.utterances}
    for row in rows:
        fold = study.plan.folds[int(row["fold"])]
        speaker = row["utterance_id"].split("-")[0]
        assert fold["test"] == [speaker]
        assert speaker not in fold["training"]
    text = (study.folder.path / "report.md").read_text(encoding="utf-8")
    assert "12 folds; each holds out one speaker as test and another one as validation" in text
    assert build(study.folder).over == "12 folds"


def test_it_goes_on_with_the_same_folds_only(study, manifest, tmp_path):
    other, _ = write_planned(tmp_path, manifest, *TERMS)
    with pytest.raises(UserError, match=r"cannot continue tiny .*: folds was speaker, now 5 by default"):
        continued(study.plan, other.plan)


def test_nested_selection_takes_more_blocks_than_five(manifest, tmp_path):
    nested = ("--protocol", "nested", "--configs", "1", "--epochs", "2", "--folds", "6")
    study = write_searched(tmp_path, manifest, "--variant", "text", *nested)
    assert len(study.plan.folds) == 15
    assert build(study.folder).over == "6 test sessions"


def test_check_shows_the_folds_and_what_keeps_them_from_being_made(manifest, capsys):
    code, printed, _ = here(capsys, "check", manifest, "--variant", "text", "--folds", "speaker")
    assert code == 0
    rows = [line.split() for line in printed.splitlines() if line.split()[1:2] == ["test"]]
    assert rows == [[str(fold), "test", "2", "2", "2", "6"] for fold in range(12)]
    code, printed, _ = here(capsys, "check", manifest, "--variant", "text", "--folds", "7")
    assert code == 1
    assert "--folds expects at most the number of groups of the corpus, 6; found 7" in printed
    code, _, error = here(capsys, "check", manifest, "--protocol", "split", "--folds", "4")
    assert (code, error) == (2, "error: --folds expects no number, since the corpus gives one division, under "
                                "--protocol split; leave it out\n")  # fmt: skip


def test_check_and_a_study_refuse_a_corpus_without_a_split_alike(manifest, capsys, tmp_path):
    code, printed, _ = here(capsys, "check", manifest, "--variant", "text", "--protocol", "split")
    assert code == 1
    assert "PROBLEM: folds (1)" in printed
    with pytest.raises(UserError, match="72 of 72 utterances have no such part") as refused:
        write_planned(tmp_path, manifest, "--variant", "text", "--protocol", "split")
    assert str(refused.value) in printed
