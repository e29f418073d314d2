"""Stories of many corpora, encoders and systems."""

import csv
import json
from collections import Counter

import pytest

from study.app.result import spaces
from study.report import write
from tests.plugins.exportable_study import write_searched
from tests.plugins.study_process import PLAIN, here, lines_of

pytestmark = pytest.mark.slow


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


def reported(output, corpus, *options):
    """A finished study: its folder, and its report as data."""
    study = write_searched(output, corpus, *options)
    write.write(study.folder, spaces(study.plan))
    return study.folder, json.loads((study.folder.path / "report.json").read_text(encoding="utf-8"))


def test_a_unimodal_variant_runs_on_a_corpus_without_the_other_modality_with_two_encoders_of_three_layers_at_two_rates(
    tiny_encoder, without, tmp_path
):
    options = ["--configs", "3", "--epochs", "2", "--seeds", "0", "--variant", "audio"]
    options += ["--frame-rate", "50,25", "--policy", "full", "--sampler", "random"]
    one, other = tiny_encoder("wav2vec2"), tiny_encoder("hubert")
    options += ["--audio-encoder", f"{one}:mean:0-1,{one}:last,{one}:2,{other}", "--audio-layer", "1,last,mean:1-3"]
    study, report = reported(tmp_path, without("text"), *options)
    assert report["variants"]["audio"]["cost"]["outcomes"] == {"complete": 3}
    choices = [line["params"]["audio_features"] for line in lines_of(study.ledger) if line["kind"] == "config"]
    assert choices[0] == f"{one}, layer mean:0-1, 50 Hz"
    shown = {each["label"]: each["n_configs"] for each in report["variants"]["audio"]["features"]}
    assert len(shown) == 2 * 3 * 2
    assert {label: n for label, n in shown.items() if n} == Counter(choices)


def test_features_of_saved_encoders_are_extracted_by_the_command_line(tiny_encoder, tiny_manifest, tmp_path, capsys):
    encoders = ("--audio-encoder", tiny_encoder("whisper"), "--text-encoder", tiny_encoder("roberta"))
    code, printed, _ = here(capsys, "features", "--corpus", tiny_manifest, *encoders, "--output", tmp_path)
    assert code == 0
    assert printed.count(".safetensors") == 2
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 2


@pytest.mark.parametrize("missing", ["text", "file_name"])
def test_a_fusion_says_which_column_it_misses(missing, without, tmp_path, capsys):
    line = ("run", "--variant", "cross", "--corpus", without(missing), *PLAIN, "--output", tmp_path)
    code, _, error = here(capsys, *line)
    assert code == 2
    assert f"add a `{missing}` column to the manifest" in error


def test_all_ten_systems_are_tuned_and_compared(iemocap_release, tmp_path):
    budget = ["--configs", "2", "--epochs", "2", "--finalists", "1", "--seeds", "0"]
    _, report = reported(tmp_path, iemocap_release, "--variant", "all", *budget)
    names = "random audio text mdre self cross self-nosp self-cls cross-nosp cross-cls".split()
    assert list(report["variants"]) == [*names, "probe"]
    budgets = {v["cost"]["n_configs"] for name, v in report["variants"].items() if name not in ("random", "probe")}
    assert budgets == {2}
    guess = report["variants"]["random"]["tuned"]["figures"]["test"]["WA"]["mean"]
    assert guess == pytest.approx(1 / 7, abs=0.01)
    compared = [(c["first"], c["second"]) for c in report["comparisons"]]
    parents = [("self-nosp", "self"), ("self-cls", "self"), ("cross-nosp", "cross"), ("cross-cls", "cross")]
    best = max(("audio", "text", "mdre"), key=lambda name: _validation(report, name))
    own = [(name, f"{name} published") for name, v in report["variants"].items() if v["selected"]]
    assert sorted(compared) == sorted([("self", best), ("cross", best), ("self", "cross"), *parents, *own])
    assert len(report["other_metrics"]) == 3 * len(compared)
    for comparison in report["comparisons"]:
        below, above = (_test(report, comparison[side]) for side in ("second", "first"))
        assert comparison["mean"] == pytest.approx(above - below, abs=1e-9)
        assert comparison["decision"] == "too few configurations"
        assert comparison["p_holm"] is None
        assert "too few configurations for a verdict (2; at least 16)" in comparison["sentence"]


def _validation(report, name):
    return report["variants"][name]["tuned"]["figures"]["validation"]["UWA"]["mean"]


def _test(report, name):
    setting = "published" if name.endswith(" published") else "tuned"
    return report["variants"][name.removesuffix(" published")][setting]["figures"]["test"]["UWA"]["mean"]
