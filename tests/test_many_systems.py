"""Stories of many corpora, encoders and systems."""

import csv
import json

import pytest

from tests.plugins.study_process import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("speech", "text"), [("wav2vec2", "bert"), ("whisper", "roberta")])
def test_saved_encoders_run_end_to_end_at_two_frame_rates(speech, text, tiny_encoder, tiny_manifest, tmp_path):
    options = ["--corpus", tiny_manifest, "--configs", "3", "--epochs", "2", "--seeds", "0", "--variant", "self"]
    options += ["--frame-rate", "50,25", "--policy", "full", "--sampler", "random"]
    encoders = [
        "--audio-encoder",
        tiny_encoder(speech),
        "--text-encoder",
        tiny_encoder(text),
        "--audio-layer",
        "mean:0-1",
    ]
    finished = run(*options, *encoders, cwd=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    report = json.loads(next(tmp_path.glob("mlruns/studies/*/report.json")).read_text())
    assert report["variants"]["self"]["n_complete"] == 3
    ledger = next(tmp_path.glob("mlruns/studies/*/ledger.jsonl"))
    records = [json.loads(line) for line in ledger.read_text().splitlines()]
    rates = [record["params"]["frame_rate"] for record in records if record["kind"] == "config"]
    assert rates[0] == "50"
    assert set(rates) == {"50", "25"}


@pytest.fixture
def without(tiny_manifest):
    """The tiny manifest but for one column: `without(name)` -> path."""

    def write(column):
        rows = list(csv.DictReader(tiny_manifest.read_text(encoding="utf-8").splitlines()))
        path = tiny_manifest.with_name("alone.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [name for name in rows[0] if name != column], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def test_a_unimodal_variant_runs_on_a_corpus_without_the_other_modality(without, tmp_path):
    budget = ("--configs", "1", "--epochs", "2", "--seeds", "0", "--audio-encoder", "logmel")
    finished = run("--variant", "audio", "--corpus", without("text"), *budget, cwd=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("missing", ["text", "file_name"])
def test_a_fusion_says_which_column_it_misses(missing, without, tmp_path):
    refused = run("--variant", "cross", "--corpus", without(missing), "--text-encoder", "hash", cwd=tmp_path)
    assert refused.returncode == 2
    assert f"add a `{missing}` column to the manifest" in refused.stderr


def test_all_ten_systems_are_tuned_and_compared(iemocap_release, tmp_path):
    budget = ["--configs", "2", "--epochs", "2", "--finalists", "1", "--seeds", "0"]
    features = ["--audio-encoder", "logmel", "--text-encoder", "hash"]
    finished = run("--variant", "all", "--corpus", iemocap_release, *budget, *features, cwd=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    report = json.loads((tmp_path / "mlruns" / "studies" / "IEMOCAP-all" / "report.json").read_text())
    names = "random audio text mdre self cross self-nosp self-cls cross-nosp cross-cls".split()
    assert list(report["variants"]) == names
    budgets = {v["n_configs"] for name, v in report["variants"].items() if name != "random"}
    assert budgets == {2}
    assert report["variants"]["random"]["test"]["WA"]["mean"] == pytest.approx(1 / 7, abs=0.01)
    compared = {(c["first"], c["second"]) for c in report["comparisons"]}
    assert {("self", "cross"), ("self-nosp", "self"), ("cross-cls", "cross")} <= compared
    assert any("no difference shown" in c["verdict"] or "above" in c["verdict"] for c in report["comparisons"])
