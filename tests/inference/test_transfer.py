"""Scores on other corpora in a study's report: those of `ser-study evaluate`, one row for each model and corpus."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from study.app.cli import main
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.inference.export import Exported
from study.record.folder import StudyFolder
from study.record.plan import Plan
from study.record.transfer import read_transfers
from study.report.build import build
from study.report.pages import html_page, markdown_page
from study.report.transfer import transfer_sentences
from study.training.metrics import METRICS
from tests.plugins.exportable_study import write_exportable


@pytest.fixture
def study(
    finished: tuple[StudyFolder, Corpus], exported: Callable[..., Exported], tmp_path: Path
) -> tuple[StudyFolder, Path]:
    """A copy of the finished study, and the model folder of its variant `audio` within it."""
    shutil.copytree(finished[0].path.parent.parent, tmp_path / "mlruns")
    folder = StudyFolder.of(tmp_path / "mlruns", "tiny")
    return folder, exported(folder.model_of("audio", "folds"), search="audio").folder


@pytest.fixture
def other(manifest: Path, tmp_path: Path) -> Path:
    """A corpus of quieter recordings, one of a label that the model does not have."""
    rows = list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))
    for number, row in enumerate(rows):
        samples, rate_hz = soundfile.read(manifest.parent / row["file_name"])
        soundfile.write(tmp_path / f"{number}.wav", 0.8 * samples, rate_hz)
        row |= {"file_name": f"{number}.wav", "utterance_id": f"new-{number}"}
    rows[0]["label"] = "bored"
    path = tmp_path / "other.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def evaluated(capsys: pytest.CaptureFixture[str], model: Path, corpus: Path) -> dict[str, object]:
    assert main(["evaluate", str(model), "--corpus", str(corpus), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_an_evaluation_is_a_row_of_the_study_s_report(
    study: tuple[StudyFolder, Path], other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, model = study
    before = json.loads(json.dumps(build(folder).to_json()))
    assert "transfer" not in before
    found = evaluated(capsys, model, other)
    evaluated(capsys, model, other)  # takes the place of the first
    [row] = json.loads((folder.path / "report.json").read_text(encoding="utf-8"))["transfer"]["rows"]
    assert (row["search"], row["corpus"], row["n_utterances"], row["n_all"]) == ("audio", "other", 23, 24)
    for kind in ("scores", "shared"):
        assert row[kind] == {name: list(score.values()) for name, score in found[kind].items()}  # type: ignore[attr-defined]
    for page in (html_page(build(folder), {}), markdown_page(build(folder), {})):
        assert "Transfer: other corpora" in page
        assert "1 of 24 utterances are left out" in page
    after = build(folder).to_json()
    after.pop("transfer")
    assert after == before, "nothing else in the report depends on it"


def test_a_study_of_the_other_corpus_in_its_own_division_is_scored_on_the_first_one(
    manifest: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way back of the test above; the model has a class that the first corpus lacks."""
    parts = {"a": "train", "b": "dev", "c": "test"}
    header, *rows = other.read_text(encoding="utf-8").splitlines()
    other.write_text("\n".join([f"{header},split", *(f"{row},{parts[row[-1]]}" for row in rows)]), encoding="utf-8")
    folder, _ = write_exportable(other.parent / "second", other, "--protocol", "split", "--variant", "audio")
    output = folder.path.parent.parent
    assert main(["evaluate", folder.path.name, "--output", str(output), "--corpus", str(manifest), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [row] = json.loads((folder.path / "report.json").read_text(encoding="utf-8"))["transfer"]["rows"]
    assert (row["corpus"], row["n_utterances"], row["classes"]) == (manifest.parent.name, 24, ["calm", "tense"])
    for kind in ("scores", "shared"):
        assert row[kind] == {name: list(score.values()) for name, score in found[kind].items()}
    assert row["scores"]["UWF1"][0] <= 2 / 3, "the mean over three classes, one of which never occurs"


def test_a_study_that_has_gone_on_shows_no_score_of_its_earlier_models(
    study: tuple[StudyFolder, Path], other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, model = study
    evaluated(capsys, model, other)
    stored = json.loads(folder.transfers.read_text(encoding="utf-8"))
    stored["rows"][0]["ledger"] = "0" * 64
    folder.transfers.write_text(json.dumps(stored), encoding="utf-8")
    view = build(folder).transfer
    assert view is not None
    assert (view.rows, view.outdated) == ((), ("audio on other",))
    assert "audio on other was evaluated: evaluate again" in " ".join(transfer_sentences(view))


def test_a_model_that_lies_in_no_study_is_evaluated_without_a_report(
    audio_model: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(audio_model), "--corpus", str(other)]) == 0
    assert "report" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: row["scores"].pop("WA"),
        lambda row: row["scores"].update(WA=[2.0, None, None]),
        lambda row: row["scores"].update(WA=[0.5, 0.1, None]),
        lambda row: row["shared"].update(UWA=[None, None, None]),
        lambda row: row.update(classes=["bored"]),
        lambda row: row.update(n_utterances=99),
        lambda row: row.update(n_equal=-1),
        lambda row: row.update(corpus="a\nb"),
        lambda row: row.update(more=1),
    ],
)
def test_a_damaged_row_is_refused_with_its_file(
    finished: tuple[StudyFolder, Corpus], tmp_path: Path, damage: Callable[[dict[str, object]], object]
) -> None:
    shutil.copytree(finished[0].path, tmp_path / "studies" / "tiny")
    folder = StudyFolder.of(tmp_path, "tiny")
    plan = Plan.read(folder)
    scores: dict[str, object] = {metric: [0.5, 0.25, 0.75] for metric in METRICS}
    row: dict[str, object] = {
        **{"search": "audio", "weights": "folds", "ledger": "0" * 64, "corpus": "b", "digest": "1" * 64},
        **{"n_all": 24, "n_utterances": 24, "n_equal": None, "classes": plan.classes, "unit": "speaker"},
        **{"n_units": 6, "scores": dict(scores), "shared": dict(scores)},
    }
    stored = {"format": 1, "plan": plan.digest(), "rows": [row]}
    folder.transfers.write_text(json.dumps(stored), encoding="utf-8")
    assert read_transfers(folder, plan)[0].n_units == 6
    damage(row)
    folder.transfers.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(UserError, match=r"transfers\.json cannot be used"):
        read_transfers(folder, plan)
