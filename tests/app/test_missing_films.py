"""Utterances without film: marked in the plan, learned around, counted, and refused where nothing else is read."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from study.app.cli import main, parsed_arguments
from study.app.extraction import studied_corpus, wanted_features
from study.app.missing_modalities import missing_of
from study.app.options import settings_of
from study.app.planning import continued, make_plan, missing_modalities, with_missing
from study.corpus.utterance import NO_VIDEO, Corpus
from study.errors import UserError
from study.execution.fold_runner import FoldRunner, data_of_fold, owner_of
from study.features.elsewhere.export import export as export_features
from study.features.estimate import estimate
from study.features.pack import Pack
from study.inference import model_folder
from study.inference.export import export
from study.inference.predictor import Predictor
from study.inference.selected import select
from study.modalities import VIDEO
from study.record.begun import require_identity, take_up
from study.record.events import FoldRun
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.report.build import build
from study.samplers.space import spaces_of
from study.training.gathering import MISSING
from tests.plugins.exportable_study import give_films, write_planned, write_recordings
from tests.plugins.tiny_study import TinyStudy, run_study

WITHOUT = (0, 5, 13)
IDS = {f"said-{number:02d}" for number in WITHOUT}
SAID = "3 of 24 utterances have no film: a learned vector stands for it"
ENCODERS = ("--audio-encoder", "logmel", "--text-encoder", "hash", "--video-encoder", "pixels")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return give_films(write_recordings(tmp_path_factory.mktemp("filmed")), WITHOUT)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, manifest: Path) -> tuple[TinyStudy, Corpus]:
    options = ("--variant", "concat+video", *ENCODERS[4:], "--seeds", "1", "--finalists", "1", "--epochs", "2")
    return write_planned(tmp_path_factory.mktemp("planned"), manifest, *options)


def asked(manifest: Path, output: Path, *options: str) -> Plan:
    """The plan of a study before anything is extracted."""
    places = {option.replace("features", "encoder") for option in options}
    encoders = [
        each for pair in zip(ENCODERS[::2], ENCODERS[1::2], strict=True) if pair[0] not in places for each in pair
    ]
    line = ["run", "--corpus", str(manifest), *encoders, "--output", str(output), *options]
    settings = settings_of(parsed_arguments(line))
    corpus = studied_corpus(settings, Console(quiet=True))
    features = wanted_features(corpus, settings)
    choices = {modality: [each.choice for each in own] for modality, own in features.items()}
    return with_missing(make_plan(settings, corpus, choices, "own"), missing_of(features, corpus))


def test_packs_lack_them_and_plan_and_folds_mark_them(planned: tuple[TinyStudy, Corpus]) -> None:
    study, corpus = planned
    assert study.plan.missing() == {"video": IDS}
    assert set(Pack.open(Path(study.plan.pack("video"))).ids) == {u.id for u in corpus.utterances} - IDS
    assert set(Pack.open(Path(study.plan.pack("audio"))).ids) == {u.id for u in corpus.utterances}
    for fold in range(3):
        data = data_of_fold(study.plan, ("audio", "text", "video"), fold, torch.device("cpu"))
        assert data.missing == ("video",)
        for part in (data.training, data.validation, data.test):
            rows = zip(part.ids, part.rows["video"].tolist(), strict=True)
            assert {id for id, row in rows if row == MISSING} == IDS & set(part.ids)


def test_an_epoch_of_cross_and_video_learns_a_vector_for_them(planned: tuple[TinyStudy, Corpus]) -> None:
    study, _ = planned
    whole = replace(study, plan=study.plan.marking({}))
    job = study.job(FoldRun("cross+video", 0, 0))
    runner = FoldRunner(study.folder, job, torch.device("cpu"), fetch=False)
    assert runner.train_epoch().loss > 0
    assert [name for name, value in runner._training.model.vectors.items() if value.any()] == ["video"]
    assert owner_of(study.plan, job) != owner_of(whole.plan, job)


def test_a_study_of_them_is_reported_exported_and_predicts_without_film(
    planned: tuple[TinyStudy, Corpus], tmp_path: Path
) -> None:
    study, corpus = planned
    run_study(study)
    found = build(study.folder)
    assert "utterances without film it reads the mean of training" in found.probe_note
    assert [(each.lack, each.learned) for each in found.variants["concat+video"].lacking] == [
        ("speech", False),
        ("words", False),
        ("film", True),
    ]
    more = {"license": None, "trust_remote_code": False, "on_progress": lambda *_: None}
    for weights in ("folds", "refit"):
        done = export(select(study.folder), corpus, tmp_path / weights, weights=weights, **more)
        assert done.config.missing == ("video",)
        assert done.check.largest < 0.01
    predictor = Predictor(model_folder.read(tmp_path / "refit"))
    one = next(utterance for utterance in corpus.utterances if utterance.id not in IDS)
    without = predictor.predict(replace(one, video=NO_VIDEO))
    assert without.probabilities != predictor.predict(one).probabilities
    assert any(note.startswith("no film: the model was trained to do without film") for note in without.notes)


@pytest.mark.parametrize(
    ("variant", "without", "stops", "words"),
    [
        ("cross+video", WITHOUT, False, SAID),
        ("cross", WITHOUT, False, ""),
        ("video", WITHOUT, True, "variant video reads film alone, and 3 of 24 utterances of x have none"),
        ("video,cross+video", WITHOUT, True, "(said-00, said-05, said-13); add it, leave these utterances out, or "),
        ("video,cross+video,cross", WITHOUT, True, "study the others: --variant cross+video,cross"),
        ("cross+video", range(24), True, "variant cross+video needs films, and no utterance of x has one"),
        (
            "cross+video",
            [n for n in range(24) if n % 3],
            True,
            "in 2 folds (0, 2) there is none; add film in more groups",
        ),
        ("cross+video", range(3, 24, 3), False, "in 2 folds (0, 2) every training utterance has film: there, the"),
    ],
)
def test_check_and_a_study_give_one_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variant: str, without: list[int], stops: bool, words: str
) -> None:
    place = give_films(write_recordings(tmp_path / "x"), without)
    assert main(["check", str(place), "--variant", variant]) == (1 if stops else 0)
    printed = " ".join(capsys.readouterr().out.split())
    assert words in printed
    assert ("no film" in printed) is (variant == "cross+video" and not stops)
    if stops:
        with pytest.raises(UserError) as refused:
            asked(place, tmp_path / "out", "--variant", variant)
        assert words in str(refused.value)
        return
    console = Console(file=io.StringIO(), width=10_000)
    notes = missing_modalities(asked(place, tmp_path / "out", "--variant", variant), console)
    assert words in " ".join(notes)
    assert console.file.getvalue().split() == " ".join(notes).split()


def test_a_study_goes_on_with_variants_that_see_and_without_them_and_not_with_other_films(
    planned: tuple[TinyStudy, Corpus], manifest: Path, tmp_path: Path
) -> None:
    blind, seeing = (asked(manifest, tmp_path / "out", "--variant", name) for name in ("cross", "cross+video"))
    assert blind.missing() == {}
    assert blind.digest() == seeing.digest()
    grown = continued(blind, seeing)
    assert (grown.missing(), grown.variants) == ({"video": IDS}, ["cross", "cross+video"])
    assert continued(grown, blind).missing() == {"video": IDS}
    more = give_films(write_recordings(tmp_path / manifest.parent.name), WITHOUT[1:])
    with pytest.raises(
        UserError,
        match="cannot continue own with other settings: video features by pixels were",
    ):
        continued(grown, asked(more, tmp_path / "out", "--variant", "cross+video"))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for plan in (blind, grown):
        take_up(ledger, plan, spaces_of(plan))
    require_identity(grown, ledger.records, ledger.path)
    with pytest.raises(UserError, match=r"plan\.json has other utterances that lack video than"):
        require_identity(grown.marking({"video": {"said-00"}}), ledger.records, ledger.path)


def test_features_that_lack_them_are_the_study_of_its_films(
    planned: tuple[TinyStudy, Corpus], manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, _ = planned
    place = export_features(Pack.open(Path(study.plan.pack("video"))), "npz", tmp_path)
    plan = asked(manifest, tmp_path / "out", "--variant", "cross+video", "--video-features", str(place))
    assert plan.missing() == {"video": IDS}
    line = ["check", str(manifest), "--variant", "cross+video", "--video-features", str(place)]
    assert main(line) == 0
    assert SAID in " ".join(capsys.readouterr().out.split())
    spoken = export_features(Pack.open(Path(study.plan.pack("video"))), "npz", tmp_path / "as-speech")
    with pytest.raises(
        UserError, match=r"audio features of every utterance are needed in .*3 of 24 utterances are not"
    ):
        asked(manifest, tmp_path / "out", "--variant", "cross", "--audio-features", str(spoken))


def test_an_estimate_is_of_those_that_have_films(manifest: Path, tmp_path: Path) -> None:
    line = ["run", "--corpus", str(manifest), *ENCODERS, "--variant", "cross+video", "--output", str(tmp_path)]
    settings = settings_of(parsed_arguments(line))
    corpus = studied_corpus(settings, Console(quiet=True))
    (wanted,) = wanted_features(corpus, settings)["video"]
    found = estimate(corpus, VIDEO, wanted, workers=1)
    assert (found.n_missing, found.n_frames) == (21, 21 * 3)
