"""Stories of real use: a study from its start to its report, killed, continued, with one worker and two."""

import csv
import json
import shutil
import signal
import sqlite3
import subprocess
import time

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from tests.plugins.study_process import SMALL, command, ledger_facts, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory, iemocap_release):
    """A finished study of cross-attention on the miniature release."""
    home = tmp_path_factory.mktemp("story")
    finished = run("--variant", "cross", "--corpus", iemocap_release, *SMALL, "--name", "story", cwd=home)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return home, finished


@pytest.fixture
def folder(study):
    return study[0] / "mlruns" / "studies" / "story"


def test_the_terminal_shows_the_tables_the_paths_and_the_commands_and_no_noise(study):
    home, finished = study
    for expected in (
        "IEMOCAP: 140 utterances",
        "cross tuned",
        "cross published",
        "mlflow ui --backend-store-uri",
        "http://",
    ):
        assert expected in finished.stdout
    assert str(home / "mlruns" / "studies" / "story" / "report.md") in finished.stdout
    noise = [word for word in ("Warning", "WARNING", "INFO", "Traceback", "ray::", "╭") if word in finished.stdout]
    assert noise == []
    assert finished.stderr == ""


def test_report_figures_equal_scikit_learn_on_the_predictions(folder):
    report = json.loads((folder / "report.json").read_text())
    rows = list(csv.DictReader((folder / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert len({row["utterance_id"] for row in rows}) == len(rows) == 140
    classes = report["classes"]
    for number in range(5):
        mine = [row for row in rows if int(row["fold"]) == number]
        truth, said = [row["label"] for row in mine], [row["prediction"] for row in mine]
        every = {"labels": classes, "zero_division": 0}
        expected = {
            "WA": accuracy_score(truth, said),
            "UWA": balanced_accuracy_score(truth, said),
            "WF1": f1_score(truth, said, average="weighted", **every),
            "UWF1": f1_score(truth, said, average="macro", **every),
        }
        assert {m: report["variants"]["cross"]["test"][m]["folds"][number] for m in expected} == pytest.approx(expected)
        probabilities = np.array([[float(row[f"p_{name}"]) for name in classes] for row in mine])
        assert probabilities.sum(1) == pytest.approx(np.ones(len(mine)), abs=1e-4)


def test_folds_of_the_report_hold_out_whole_sessions(folder):
    report = json.loads((folder / "report.json").read_text())
    rows = list(csv.DictReader((folder / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    for number, fold in enumerate(report["folds"]):
        assert len(fold["test"]) == len(fold["validation"]) == 1
        assert fold["test"] != fold["validation"]
        tested = {row["utterance_id"][:5] for row in rows if int(row["fold"]) == number}
        assert tested == {f"Ses0{fold['test'][0][-1]}"}


def test_the_pick_is_the_best_by_validation_with_fresh_seeds_among_finalists_and_the_published_setting(folder):
    report = json.loads((folder / "report.json").read_text())["variants"]["cross"]
    records = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    epochs = [r for r in records if r["kind"] == "epoch"]

    def mean_of_best(config, seed):
        curves = [[r for r in epochs if (r["config"], r["fold"], r["seed"]) == (config, f, seed)] for f in range(5)]
        return np.mean([max(r["validation"]["UWA"] for r in curve) for curve in curves])

    complete = [r["config"] for r in records if r["kind"] == "closed" and r["outcome"] == "complete"]
    finalists = {0, max(complete, key=lambda config: (mean_of_best(config, 0), -config))}
    assert {r["config"] for r in epochs if r["seed"] == 1} == finalists
    means = {config: mean_of_best(config, 1) for config in finalists}
    assert means[report["selected"]] == pytest.approx(max(means.values()))
    assert report["validation"]["UWA"]["mean"] == pytest.approx(max(means.values()))


def test_the_same_command_again_says_in_seconds_that_it_is_finished(study, iemocap_release, folder):
    before = (folder / "ledger.jsonl").read_bytes()
    started = time.monotonic()
    again = run("--variant", "cross", "--corpus", iemocap_release, *SMALL, "--name", "story", cwd=study[0])
    assert again.returncode == 0
    assert "finished already" in again.stdout
    assert "cross tuned" in again.stdout
    assert (folder / "ledger.jsonl").read_bytes() == before
    assert time.monotonic() - started < 30


def test_the_report_is_recomputed_from_ledger_and_predictions_alone(study, folder):
    before = (folder / "report.json").read_text(), (folder / "predictions.csv").read_text()
    for name in ("report.json", "report.md", "predictions.csv"):
        (folder / name).unlink()
    assert run("story", cwd=study[0], verb="report").returncode == 0
    assert ((folder / "report.json").read_text(), (folder / "predictions.csv").read_text()) == before


def test_a_ledger_that_does_not_agree_with_the_predictions_is_told(study, folder, tmp_path):
    copy = tmp_path / "mlruns" / "studies" / "edited"
    shutil.copytree(folder, copy)
    records = [json.loads(line) for line in (copy / "ledger.jsonl").read_text().splitlines()]
    selected = json.loads((copy / "report.json").read_text())["variants"]["cross"]["selected"]
    own = [r for r in records if r["kind"] == "epoch" and r["config"] == selected and r["seed"] and r["fold"] == 0]
    best = max(own, key=lambda record: record["validation"]["UWA"])
    best["test"]["WA"] = abs(best["test"]["WA"] - 0.05)
    (copy / "ledger.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    refused = run("edited", "--output", tmp_path / "mlruns", cwd=tmp_path, verb="report")
    assert refused.returncode == 2
    assert "one of the two was changed" in refused.stderr


def test_mlflow_holds_the_study_nested_and_nothing_is_left_running(study):
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
    report = json.loads((study[0] / "mlruns" / "studies" / "story" / "report.json").read_text())
    assert depth == {0: 1, 1: 4, 2: report["variants"]["cross"]["n_fold_runs"]}
    assert "RUNNING" not in runs.values()


def test_a_study_killed_with_sigkill_goes_on_and_equals_the_uninterrupted_one(study, folder, iemocap_release, tmp_path):
    line = command("--variant", "cross", "--corpus", iemocap_release, *SMALL, "--name", "story")
    ledger = tmp_path / "mlruns" / "studies" / "story" / "ledger.jsonl"
    driver = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while driver.poll() is None and (not ledger.exists() or len(ledger.read_bytes().splitlines()) < 12):
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    done = len(ledger.read_bytes().splitlines())
    continued = run("--variant", "cross", "--corpus", iemocap_release, *SMALL, "--name", "story", cwd=tmp_path)
    assert continued.returncode == 0, continued.stdout + continued.stderr
    assert "continuing study story" in continued.stdout
    assert done < len(ledger.read_bytes().splitlines())
    assert ledger_facts(ledger.parent) == ledger_facts(folder)


def test_ctrl_c_exits_with_130_and_the_command_to_go_on(iemocap_release, tmp_path):
    line = command("--variant", "cross", "--corpus", iemocap_release, *SMALL)
    driver = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ledger = tmp_path / "mlruns" / "studies" / "IEMOCAP-cross" / "ledger.jsonl"
    while driver.poll() is None and (not ledger.exists() or len(ledger.read_bytes().splitlines()) < 4):
        time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    told, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130
    assert "nothing is lost" in told
    assert "study/run.py --variant cross" in told
    assert "Traceback" not in told


def test_one_slot_and_two_give_the_same_study(study, folder, iemocap_release, tmp_path):
    options = [*SMALL, "--name", "story", "--concurrency", "1"]
    assert run("--variant", "cross", "--corpus", iemocap_release, *options, cwd=tmp_path).returncode == 0
    assert ledger_facts(tmp_path / "mlruns" / "studies" / "story") == ledger_facts(folder)


def test_a_study_does_not_change_its_terms(study, iemocap_release):
    changed = run("--corpus", iemocap_release, *SMALL, "--epochs", "5", "--name", "story", cwd=study[0])
    assert changed.returncode == 2
    assert "was begun with epochs 4, now 5" in changed.stderr
    assert changed.stderr.count("\n") == 1
