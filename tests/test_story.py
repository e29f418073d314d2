"""A story of real use: a study that starts from an earlier one, from its first line to its report and its model."""

import csv
import json
import shutil
import sqlite3

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from study.record.events import FoldRun
from tests.plugins.exportable_study import write_searched
from tests.plugins.study_process import PLAIN, SMALL, here, lines_of, run

STORY = ("--variant", "cross", *SMALL, "--name", "story", "--warm-start", "earlier")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def earlier(tmp_path_factory, iemocap_release):
    """The output of an earlier study, of self-attention on the miniature release."""
    output = tmp_path_factory.mktemp("earlier") / "mlruns"
    write_searched(output, iemocap_release, "--variant", "self", "--configs", "3", "--seeds", "0", name="earlier")
    return output


@pytest.fixture(scope="module")
def study(tmp_path_factory, earlier, iemocap_release):
    """A study of cross-attention that starts from the earlier one: its working directory, and what it printed."""
    home = tmp_path_factory.mktemp("story")
    shutil.copytree(earlier, home / "mlruns")
    finished = run(*STORY, "--corpus", iemocap_release, cwd=home)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return home, finished


@pytest.fixture
def folder(study):
    return study[0] / "mlruns" / "studies" / "story"


@pytest.fixture
def report(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.fixture
def predictions(folder):
    return list(csv.DictReader((folder / "predictions.csv").read_text(encoding="utf-8").splitlines()))


def test_the_terminal_shows_the_tables_the_paths_and_the_commands_and_no_noise(study):
    home, finished = study
    expected = ("IEMOCAP: 140 utterances", "cross tuned", "cross published", "mlflow ui --backend-store-uri", "http://")
    assert [text for text in expected if text not in finished.stdout] == []
    assert str(home / "mlruns" / "studies" / "story" / "report.md") in finished.stdout
    noise = [word for word in ("Warning", "WARNING", "INFO", "Traceback", "ray::", "╭") if word in finished.stdout]
    assert noise == []
    assert finished.stderr == ""
    assert finished.stdout.splitlines()[-1] == 'predict      ser-study predict story some.wav --text "..."'


def test_what_it_selected_is_exported_from_the_weights_that_it_kept_and_predicts(
    study, folder, iemocap_release, tmp_path, capsys
):
    exported = ("export", "story", "--to", tmp_path / "model", "--output", study[0] / "mlruns")
    code, printed, error = here(capsys, *exported)
    assert (code, error) == (0, "")
    assert "5 fold models" in printed
    assert "trained again" not in printed
    assert "12 utterances predicted from recordings, compared with the study's stored predictions: largest" in printed
    assert {FoldRun.named(path.stem).seed for path in (folder / "checkpoints").iterdir()} == {1}
    wav = next(iemocap_release.rglob("Ses01F_impro01_F000.wav"))
    code, printed, error = here(capsys, "predict", tmp_path / "model", wav, "--text", "Get out", "--json")
    assert (code, error) == (0, "")
    assert sum(each["score"] for each in json.loads(printed)["scores"]) == pytest.approx(1)


def test_report_figures_equal_scikit_learn_on_the_predictions(report, predictions):
    assert len({row["utterance_id"] for row in predictions}) == len(predictions) == 140
    classes = report["classes"]
    for number in range(5):
        mine = [row for row in predictions if int(row["fold"]) == number]
        truth, predicted = [row["label"] for row in mine], [row["prediction"] for row in mine]
        every = {"labels": classes, "zero_division": 0}
        expected = {
            "WA": accuracy_score(truth, predicted),
            "UWA": balanced_accuracy_score(truth, predicted),
            "WF1": f1_score(truth, predicted, average="weighted", **every),
            "UWF1": f1_score(truth, predicted, average="macro", **every),
        }
        reported = report["variants"]["cross"]["tuned"]["figures"]["test"]
        assert {name: reported[name]["folds"][number] for name in expected} == pytest.approx(expected)
        probabilities = np.array([[float(row[f"p_{name}"]) for name in classes] for row in mine])
        assert probabilities.sum(1) == pytest.approx(np.ones(len(mine)), abs=1e-4)


def test_folds_of_the_report_hold_out_whole_sessions(report, predictions):
    for number, fold in enumerate(report["folds"]):
        assert len(fold["test"]) == len(fold["validation"]) == 1
        assert fold["test"] != fold["validation"]
        tested = {row["utterance_id"][:5] for row in predictions if int(row["fold"]) == number}
        assert tested == {f"Ses0{fold['test'][0][-1]}"}


def test_the_selected_configuration_is_the_best_in_confirmation_among_finalists_and_the_published_setting(
    folder, report
):
    lines = lines_of(folder / "ledger.jsonl")
    epochs = [line for line in lines if line["kind"] == "epoch"]

    def mean_curve(config, seed):
        """The mean over folds after each epoch; a fold that ended early keeps its last score."""
        curves = [
            [e["validation"]["UWA"] for e in epochs if (e["config"], e["fold"], e["seed"]) == (config, fold, seed)]
            for fold in range(5)
        ]
        length = max(map(len, curves))
        return np.mean([curve + curve[-1:] * (length - len(curve)) for curve in curves], axis=0)

    complete = [line["config"] for line in lines if line["kind"] == "closed" and line["outcome"] == "complete"]
    finalists = {0, max(complete, key=lambda config: (max(mean_curve(config, 0)), -config))}
    assert {epoch["config"] for epoch in epochs if epoch["seed"] == 1} == finalists
    for config in finalists:
        assert len(mean_curve(config, 1)) == np.argmax(mean_curve(config, 0)) + 1, "they end where the search is best"
    means = {config: mean_curve(config, 1)[-1] for config in finalists}
    cross = report["variants"]["cross"]
    assert means[cross["selected"]] == pytest.approx(max(means.values()))
    assert cross["tuned"]["figures"]["validation"]["UWA"]["mean"] == pytest.approx(max(means.values()))


def test_mlflow_holds_the_study_nested_and_no_run_is_left_running(study, report):
    database = sqlite3.connect(study[0] / "mlruns" / "mlflow.db")
    runs = dict(database.execute("select run_uuid, status from runs").fetchall())
    parents = dict(database.execute("select run_uuid, value from tags where key = 'mlflow.parentRunId'").fetchall())
    database.close()
    depth = {0: 0, 1: 0, 2: 0}
    for run_id in runs:
        level, parent = 0, parents.get(run_id)
        while parent:
            level, parent = level + 1, parents.get(parent)
        depth[level] += 1
    assert depth == {0: 1, 1: 4, 2: report["variants"]["cross"]["cost"]["n_fold_runs"]}
    assert "RUNNING" not in runs.values()


def test_the_search_is_mirrored_for_the_optuna_dashboard(study, folder):
    import optuna

    mirrored = optuna.load_study(study_name="story/cross", storage=f"sqlite:///{study[0] / 'mlruns' / 'optuna.db'}")
    outcomes = [line["outcome"] for line in lines_of(folder / "ledger.jsonl") if line["kind"] == "closed"]
    states = [trial.state.name for trial in mirrored.get_trials(deepcopy=False)]
    assert sorted(states) == sorted({"complete": "COMPLETE", "stopped": "PRUNED"}[outcome] for outcome in outcomes)


def test_a_finished_study_is_shown_again_and_keeps_its_terms(study, iemocap_release, folder, capsys, monkeypatch):
    monkeypatch.chdir(study[0])
    before = (folder / "ledger.jsonl").read_bytes()
    line = ("run", *STORY, "--corpus", iemocap_release)
    code, printed, _ = here(capsys, *line)
    assert code == 0
    assert "finished already" in printed
    assert "cross tuned" in printed
    assert here(capsys, "run", "--config", folder / "study.yaml", "--quiet") == (0, "", "")
    code, _, error = here(capsys, *line, "--epochs", "5")
    assert code == 2
    assert "cannot continue story with other settings: epochs was 4, now 5" in error
    assert error.count("\n") == 1
    assert (folder / "ledger.jsonl").read_bytes() == before


def test_the_report_is_recomputed_from_ledger_and_predictions_alone(folder, tmp_path, capsys):
    copy = tmp_path / "studies" / "story"
    shutil.copytree(folder, copy)
    names = ("report.json", "report.md", "report.html", "predictions.csv")
    before = [(copy / name).read_bytes() for name in names]
    for name in names:
        (copy / name).unlink()
    assert here(capsys, "report", "story", "--output", tmp_path)[0] == 0
    assert [(copy / name).read_bytes() for name in names] == before


def test_a_ledger_that_does_not_agree_with_the_predictions_is_refused(folder, tmp_path, report, capsys):
    copy = tmp_path / "studies" / "edited"
    shutil.copytree(folder, copy)
    lines = lines_of(copy / "ledger.jsonl")
    selected = report["variants"]["cross"]["selected"]
    own = [e for e in lines if e["kind"] == "epoch" and e["config"] == selected and e["seed"] and e["fold"] == 0]
    best = max(own, key=lambda epoch: epoch["validation"]["UWA"])
    best["test"]["WA"] = abs(best["test"]["WA"] - 0.05)
    (copy / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    code, _, error = here(capsys, "report", "edited", "--output", tmp_path)
    assert code == 2
    assert "one of the two was changed" in error


def test_damaged_features_are_named_and_made_again_with_equal_bytes(study, iemocap_release, tmp_path, capsys):
    shutil.copytree(study[0] / "mlruns", tmp_path / "mlruns")
    ledger = tmp_path / "mlruns" / "studies" / "story" / "ledger.jsonl"
    pack = next((tmp_path / "mlruns" / "features").glob("text-*.safetensors"))
    made, known = pack.read_bytes(), ledger.read_bytes()
    pack.write_bytes(made[:-3] + b"???")
    line = ("--variant", "cross", "--corpus", iemocap_release, *PLAIN, "--output", tmp_path / "mlruns")
    code, _, error = here(capsys, "run", *line, *SMALL, "--name", "story", "--configs", "6")
    assert code == 2
    assert f"{pack} do not match their checksum" in error
    assert ledger.read_bytes() == known
    pack.unlink()
    assert here(capsys, "features", *line)[0] == 0
    assert pack.read_bytes() == made


def test_it_starts_from_what_the_earlier_study_found_and_can_be_explained(study, earlier, folder, capsys, monkeypatch):
    monkeypatch.chdir(study[0])
    before, found = (
        [line["params"] for line in lines_of(ledger) if line["kind"] == "config"]
        for ledger in (earlier / "studies" / "earlier" / "ledger.jsonl", folder / "ledger.jsonl")
    )
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert [each["params"] for each in plan["prior"]["variants"]["self"]] == before
    assert found[1] in before
    code, overview, _ = here(capsys, "explain", "earlier")
    assert code == 0
    assert "complete" in overview
    for number in range(3):
        _, life, _ = here(capsys, "explain", "earlier", "--config", number)
        assert f"self configuration {number}" in life
        assert "predicted final score" in life or "all folds at full length" in life
    assert "has no configuration 9" in here(capsys, "explain", "earlier", "--config", 9)[2]


def test_a_dry_run_says_what_a_study_would_take_and_begins_none(study, iemocap_release):
    line = ["--variant", "self", "--corpus", iemocap_release, "--configs", "3", "--epochs", "3", "--seeds", "0", *PLAIN]
    line += ["--concurrency", "1", "--name", "warm", "--warm-start", "story"]
    dry = run(*line, "--dry-run", cwd=study[0])
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "by the clock" in dry.stdout
    assert not (study[0] / "mlruns" / "studies" / "warm").exists()
