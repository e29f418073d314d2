"""A whole nested study against oracles from its ledger and predictions."""

import csv
import io
import json
from itertools import combinations
from statistics import fmean

import pytest
from rich.console import Console
from sklearn.metrics import balanced_accuracy_score

from study.app.result import show, spaces
from study.errors import FINISHED
from study.report import write
from tests.plugins.exportable_study import write_searched
from tests.plugins.study_process import here, lines_of

SESSIONS = [f"Session{number}" for number in range(1, 6)]
TERMS = ("--protocol", "nested", "--variant", "cross", "--configs", "4", "--epochs", "4")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory, iemocap_release):
    """A finished nested study with its report."""
    study = write_searched(tmp_path_factory.mktemp("nested"), iemocap_release, *TERMS, name="nested")
    console = Console(file=io.StringIO(), width=160)
    written = write.write(study.folder, spaces(study.plan))
    assert show(study.plan, study.folder, console, written, None) == FINISHED
    printed = console.file.getvalue()
    assert "over 5 test sessions" in printed
    assert "Measured optimism" in printed
    return study.folder.path


def scores(records, config, tested, judging):
    """The validation and test score of the run that holds out both sessions, at the epoch that `judging` picks."""
    pair = list(combinations(SESSIONS, 2)).index(tuple(sorted([tested, judging])))
    epochs = [r for r in records if r["kind"] == "epoch" and (r["config"], r["fold"]) == (config, pair)]
    parts = ("test", "validation") if tested < judging else ("validation", "test")
    best = max(epochs, key=lambda epoch: (epoch[parts[1]]["UWA"], -epoch["epoch"]))
    return best[parts[1]]["UWA"], best[parts[0]]["UWA"]


def test_choices_figures_and_optimism_follow_from_the_ledger(folder):
    records = lines_of(folder / "ledger.jsonl")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))["variants"]["cross"]
    assert report["confirmed"] is False
    assert {record["seed"] for record in records if record["kind"] == "epoch"} == {0}
    others = {t: [s for s in SESSIONS if s != t] for t in SESSIONS}
    complete = {t: [] for t in SESSIONS}
    for record in records:
        if record["kind"] == "block_closed" and record["outcome"] == "complete":
            complete[SESSIONS[record["test_block"]]].append(record["config"])

    def mean(config, session, part):
        return fmean(scores(records, config, session, other)[part] for other in others[session])

    choices = {t: max(complete[t], key=lambda c, t=t: (mean(c, t, 0), -c)) for t in SESSIONS}
    assert report["nested"]["choices"] == choices
    tested = [mean(choices[t], t, 1) for t in SESSIONS]
    assert report["tuned"]["figures"]["test"]["UWA"]["folds"] == pytest.approx(tested)
    for_all = set.intersection(*map(set, complete.values()))
    shared = max(for_all, key=lambda c: (fmean(mean(c, t, 0) for t in SESSIONS), -c))
    assert report["selected"] == shared
    optimism = fmean(mean(shared, t, 1) for t in SESSIONS) - fmean(tested)
    assert report["nested"]["optimism"]["UWA"] == pytest.approx(optimism, abs=1e-9)
    assert report["published"]["figures"]["test"]["UWA"]["folds"] == pytest.approx([mean(0, t, 1) for t in SESSIONS])


def test_stored_predictions_give_the_reported_figures(folder):
    report = json.loads((folder / "report.json").read_text())
    rows = list(csv.DictReader((folder / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 140 * 4  # every utterance in the four runs that hold out its session and another one
    for number in range(len(SESSIONS)):
        mine = [row for row in rows if row["utterance_id"].startswith(f"Ses0{number + 1}")]
        runs = {fold: [row for row in mine if row["fold"] == fold] for fold in {row["fold"] for row in mine}}
        assert len(runs) == 4
        found = fmean(
            balanced_accuracy_score([row["label"] for row in run], [row["prediction"] for row in run])
            for run in runs.values()
        )
        assert report["variants"]["cross"]["tuned"]["figures"]["test"]["UWA"]["folds"][number] == pytest.approx(found)


def test_the_pages_show_both_selections_side_by_side(folder):
    for page in ("report.md", "report.html"):
        text = (folder / page).read_text(encoding="utf-8")
        for expected in ("shared", "easured optimism", "chosen without", "5 test sessions"):
            assert expected in text, page


def test_the_report_and_the_lives_of_configurations_can_be_shown_again(folder, capsys):
    output = folder.parents[1]
    before = (folder / "report.json").read_text(encoding="utf-8")
    assert here(capsys, "report", "nested", "--output", output)[0] == 0
    assert (folder / "report.json").read_text(encoding="utf-8") == before
    code, life, _ = here(capsys, "explain", "nested", "--config", "1", "--output", output)
    assert code == 0
    assert "for test block 4" in life
