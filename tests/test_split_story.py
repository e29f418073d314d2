"""Whole studies of one division that the corpus gives, with two test sets: figures, verbs, and what chooses nothing."""

import csv
import io
import json
import re
from collections import defaultdict
from statistics import fmean, stdev
from urllib.parse import unquote

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from study.app.result import spaces
from study.app.terminal import print_report
from study.report import write
from study.report.build import build
from study.tracking.study_summary import study_figures
from tests.plugins.exportable_study import write_searched
from tests.plugins.study_process import here, lines_of
from tests.plugins.word_corpora import write_words

SPEAKERS = {
    **{f"a{n}": (f"show{n // 2}", "train") for n in range(6)},
    **{f"d{n}": ("show9", "Dev") for n in range(2)},
    **{f"t{n}": (f"day{n // 2}", "TEST1") for n in range(6)},
    **{f"v{n}": (f"eve{n // 2}", "test2") for n in range(4)},
}
TERMS = ("--protocol", "split", "--configs", "4", "--finalists", "1", "--seeds", "2", "--losses", "ce,focal")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words"), SPEAKERS, tones=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory, manifest):
    """A finished study with its report."""
    output = tmp_path_factory.mktemp("output")
    study = write_searched(output, manifest, "--variant", "random,text,audio", *TERMS)
    write.write(study.folder, spaces(study.plan))
    return study


@pytest.fixture(scope="module")
def report(study):
    return json.loads((study.folder.path / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(study):
    """The predictions of the reported runs, by variant, test set and seed."""
    found = defaultdict(list)
    for row in csv.DictReader((study.folder.path / "predictions.csv").read_text(encoding="utf-8").splitlines()):
        found[row["variant"], SPEAKERS[row["utterance_id"].split("-")[0]][1].lower(), row["seed"]].append(row)
    return found


def test_the_one_fold_holds_out_the_parts_of_the_corpus(study):
    assert study.plan.folds == [
        {"number": 0, "test": ["test1", "test2"], "validation": ["validation"], "training": ["train"]}
    ]
    assert study.plan.corpus["groups"] == {"test1": 36, "test2": 24, "train": 36, "validation": 12}
    assert "no speaker is in two parts of the split" in study.plan.corpus["notes"]
    assert {each["home"] for each in study.plan.utterances if each["group"] == "test2"} == {"eve0", "eve1"}


def test_every_test_set_has_the_mean_and_deviation_of_the_runs_with_new_seeds(report, rows):
    for variant in ("text", "audio"):
        sets = report["variants"][variant]["tuned"]["test_sets"]
        assert {name: found["n"] for name, found in sets.items()} == {"test1": 36, "test2": 24}
        for name, found in sets.items():
            runs = [rows[variant, name, seed] for seed in "12"]
            assert [len(own) for own in runs] == [found["n"]] * 2
            for metric, oracle in (("UWA", balanced_accuracy_score), ("WA", accuracy_score)):
                values = [oracle([row["label"] for row in own], [row["prediction"] for row in own]) for own in runs]
                shown = found["scores"][metric]
                assert (shown["mean"], shown["std"]) == pytest.approx((fmean(values), stdev(values)))


def test_intervals_are_those_of_other_speakers_and_other_runs(report, rows):
    """The bootstrap written plainly, with other random numbers."""
    generator, drawn = np.random.default_rng(5), []
    hits = [defaultdict(list) for _ in "12"]
    for own, seed in zip(hits, "12", strict=True):
        for row in rows["text", "test1", seed]:
            own[row["utterance_id"].split("-")[0]].append(row["label"] == row["prediction"])
    speakers = sorted(hits[0])
    for _ in range(4000):
        chosen, runs = generator.choice(speakers, len(speakers)), generator.choice(2, 2)
        drawn.append(fmean(fmean(hit for speaker in chosen for hit in hits[run][speaker]) for run in runs))
    found = report["variants"]["text"]["tuned"]["test_sets"]["test1"]
    assert (found["unit"], found["n_units"]) == ("speaker", 6)
    ends = found["scores"]["WA"]["low"], found["scores"]["WA"]["high"]
    assert ends == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_nothing_is_tested_and_the_report_says_what_its_intervals_cover(study, report):
    pairs = [*report["comparisons"], *report["other_metrics"]]
    assert {pair["on"] for pair in pairs} == {"test1", "test2"}
    assert all(pair[name] is None for pair in pairs for name in ("p", "p_holm", "smallest", "better"))
    assert {pair["decision"] for pair in pairs} == {"not tested"}
    for pair in report["comparisons"]:
        assert pair["low"] <= pair["mean"] <= pair["high"]
        assert re.search(
            r"over [46] speakers and 2 training runs of each, without the luck of the search", pair["sentence"]
        )
    for page in ("report.md", "report.html"):
        text = (study.folder.path / page).read_text(encoding="utf-8")
        assert "not the luck of the searches" in text
        assert "tuned on test2" in text
        assert not re.search(r"Holm|\bp = |confirmed \(|over folds, whose", text), page
        assert not re.search(r"[Tt]est folds?\b|mean over folds|every fold|interval over folds", unquote(text)), page
        assert "figures are of the test sets test1, test2 taken together" in text


def test_pictures_and_tables_name_the_test_sets(study):
    pictures = study.folder.pictures
    drawn = {kind: (pictures / f"{kind}-text.svg").read_text(encoding="utf-8") for kind in ("confusion", "folds")}
    assert "test sets test1, test2 taken together" in drawn["confusion"]
    assert all(f">{title}<" in drawn["folds"] for title in ("test1", "test2"))
    rows = csv.DictReader((study.folder.tables / "comparisons.csv").read_text(encoding="utf-8").splitlines())
    assert {row["on"] for row in rows} == {"test1", "test2"}


def test_losses_are_compared_over_the_test_sets_without_an_interval_over_folds(report):
    for variant in ("text", "audio"):
        choices = {each["label"]: each["n_configs"] for each in report["variants"][variant]["features"]}
        assert choices.keys() == {"ce", "focal"}
        assert sum(choices.values()) == 4
        for pair in report["variants"][variant]["details"]["pairs"]:
            usual, *others = pair["by_loss"]
            assert (usual["loss"], usual["f1_change"]) == ("ce", None)
            for own in others:
                change = own["f1"]["mean"] - usual["f1"]["mean"]
                assert own["f1_change"] == {"mean": pytest.approx(change), "low": None, "high": None}


def test_every_test_set_has_its_calibration(study, report, rows):
    for name in ("test1", "test2"):
        own = [row for seed in "12" for row in rows["text", name, seed]]
        expected = fmean(-np.log(float(row[f"p_{row['label']}"])) for row in own)
        found = report["variants"]["text"]["set_calibrations"][name]
        assert found["log_loss"] == pytest.approx(expected, abs=1e-3)
        said = f"Calibration on {name}: log loss {found['log_loss']:.3f}"
        assert said in (study.folder.path / "report.md").read_text(encoding="utf-8")


def test_terminal_and_tracker_have_every_test_set(study):
    view = build(study.folder)
    console = Console(file=io.StringIO(), width=160)
    print_report(console, view, study.folder, None)
    printed = console.file.getvalue()
    assert "mean ± std over 2 training runs" in printed
    assert "Where no test set is named, figures are of the test sets test1, test2 taken together" in printed
    assert re.search(r"text tuned on test1 \(6 speakers\): WA \.\d+ to (\.\d+|1\.000)", printed)
    assert "One division allows no test over folds" in printed
    figures = study_figures(view.variants["text"])
    assert {"test/UWA_mean", "on_test1/UWA_mean", "on_test2_spread/UWA_low"} <= set(figures)
    assert all(re.fullmatch(r"[\w/]+", name) for name in figures)


def test_test_labels_choose_nothing(study, manifest, tmp_path):
    """With labels of both test sets permuted, all is proposed, promoted, stopped and chosen as before."""
    table = list(csv.reader(manifest.read_text(encoding="utf-8").splitlines()))
    tested = [row for row in table[1:] if row[5].lower().startswith("test")]
    labels = np.random.default_rng(3).permutation([row[1] for row in tested]).tolist()
    assert labels != [row[1] for row in tested]
    for row, label in zip(tested, labels, strict=True):
        row[1] = label
    permuted = manifest.with_name("permuted.csv")
    with permuted.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)
    other = write_searched(tmp_path, permuted, "--variant", "text", *TERMS)

    def decided(folder):
        """The ledger without the clock, the name of the plan, and test scores."""
        lines = [line for line in lines_of(folder.ledger) if line.get("variant") == "text"]
        return [json.dumps({key: line[key] for key in line if key not in ("seconds", "test")}) for line in lines]

    assert decided(other.folder) == decided(study.folder)
    views = [build(each.folder).variants["text"] for each in (study, other)]
    assert views[0].selected == views[1].selected
    assert views[0].tuned.figures["validation"] == views[1].tuned.figures["validation"]
    assert views[0].tuned.figures["test"] != views[1].tuned.figures["test"]


def test_two_studies_are_compared_on_every_test_set(study, manifest, capsys):
    output = study.folder.features.parent
    write_searched(output, manifest, "--variant", "text", *TERMS, "--seed", "4", name="other")
    code, printed, error = here(capsys, "compare", "tiny", "other", "--output", output)
    assert (code, error) == (0, "")
    assert "text on test1" in printed
    assert "text on test2" in printed
    assert "without the luck of the search" in printed
    assert not re.search(r"p = |p <", printed)


def test_the_verbs_that_look_at_a_study_work(study, capsys):
    output = study.folder.features.parent
    code, printed, _ = here(capsys, "explain", "tiny", "--variant", "text", "--config", "1", "--output", output)
    assert code == 0
    assert "fold 0" in printed
    code, _, error = here(capsys, "list", "--output", output)
    assert (code, error) == (0, "")


def test_the_models_of_all_seeds_are_exported(study, manifest, capsys, tmp_path):
    output = study.folder.features.parent
    model = tmp_path / "model"
    code, printed, error = here(
        capsys, "export", "tiny", "--variant", "text", "--output", output, "--corpus", manifest, "--to", model
    )
    assert code == 0, printed + error
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert [(member["fold"], member["seed"]) for member in config["members"]] == [(0, 1), (0, 2)]
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["groups"]) == {"test1", "test2"}
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "session" not in card
