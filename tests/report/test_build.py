"""From a study's folder to the report: figures, terms, details, and files that are safe to open."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from study.errors import UserError
from study.option import options_of
from study.record.events import EpochDone, FoldRun, Phase
from study.record.folder import StudyFolder
from study.record.ledger import read
from study.record.outcome import Use
from study.record.results import PARTS, ConfigResult, FoldResult, configurations
from study.record.terms import LATER, Terms
from study.report import predictions
from study.report.build import build, report_view, terms_view
from study.report.close_pairs import close_pairs
from study.report.details import class_recalls, metrics_by_script, words_seen
from study.report.evidence import gather
from study.report.pages import html_page, markdown_page
from study.report.pictures import keep
from study.report.view import ReportView
from study.report.write import write
from study.training.loop import Predictions
from study.training.metrics import score
from study.training.predictions import keep_epochs, origin_of, save_predictions
from study.variant import Variant
from study.variants import VARIANTS
from tests.report.toy import CLASSES, settings_of, toy_plan, write_study

NAMES = ("text", "self", "cross")
PARAMS = {name: settings_of(name) for name in NAMES}
SPACES = {name: VARIANTS[name].suggest for name in NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study of a guess, a baseline and two fusions, with its report. Read only."""
    found = StudyFolder(tmp_path_factory.mktemp("study"))
    write_study(found, toy_plan(variants=["random", *NAMES]), PARAMS)
    write(found, SPACES)
    return found


@pytest.fixture(scope="module")
def view(folder: StudyFolder) -> ReportView:
    return build(folder)


def configs_of(folder: StudyFolder, variant: str) -> list[ConfigResult]:
    return configurations(read(folder.ledger), 0)[variant]


def test_figures_are_those_of_the_selected_configuration(folder: StudyFolder, view: ReportView) -> None:
    complete = [each for each in configs_of(folder, "cross") if each.outcome is Phase.COMPLETE]
    best = max(complete, key=lambda each: each.validation_score("UWA"))
    cross = view.variants["cross"]
    assert cross.selected == best.number
    assert cross.tuned is not None
    assert cross.published is not None
    assert (cross.tuned.params, cross.published.params) == (PARAMS["cross"][best.number], PARAMS["cross"][0])
    assert cross.tuned.figures["validation"]["UWA"].mean == pytest.approx(best.validation_score("UWA"))
    assert cross.tuned.figures["test"]["WA"].folds == tuple(best.folds[fold].epochs[-1].test["WA"] for fold in range(3))


def test_costs_count_configurations_runs_epochs_and_seconds(view: ReportView) -> None:
    cost = view.variants["cross"].cost
    assert (cost.n_configs, cost.outcomes) == (3, {"complete": 2, "stopped": 1})
    assert (cost.n_fold_runs, cost.epochs, cost.seconds) == (9, 2 * 3 * 4 + 3 * 2, 15.0)
    assert not cost.out_of_time


def test_a_guess_has_figures_and_neither_parameters_nor_costs(view: ReportView) -> None:
    guess = view.variants["random"]
    assert guess.tuned is not None
    assert guess.tuned.params is None
    assert guess.tuned.figures["test"]["WA"].mean == pytest.approx(1 / 3, abs=0.01)
    assert (guess.selected, guess.published, guess.cost.n_configs, guess.details) == (None, None, 0, None)
    assert not guess.trained


def test_the_report_names_its_protocol_and_every_term_by_its_option(view: ReportView) -> None:
    assert (view.protocol, view.over, view.metric, view.score_both_blocks) == ("shared", "3 folds", "UWA", False)
    assert view.protocol_note.startswith("not nested")
    flags = [option.flag.removeprefix("--") for name, option in options_of(Terms).items() if name not in LATER]
    assert [term.name for term in view.terms] == flags
    assert (view.term("configs"), view.term("epochs"), view.term("metric")) == ("3", "4", "UWA")


def test_limits_of_time_read_as_times_and_what_was_not_given_as_a_dash() -> None:
    terms = {each.name: each.value for each in terms_view(Terms(n_configs=1, epochs=1, wall_seconds=5400.0))}
    assert (terms["budget"], terms["gpu-hours"]) == ("90 min", "–")


def test_comparisons_follow_from_the_rows_and_are_in_the_conclusion(view: ReportView) -> None:
    assert [(each.first, each.second) for each in view.comparisons] == [
        ("self", "text"), ("cross", "text"), ("self", "cross"),
        *((name, f"{name} published") for name in ("text", "self", "cross") if view.variants[name].selected != 0),
    ]  # fmt: skip
    assert view.conclusion == tuple(f"{each.sentence}." for each in view.comparisons)


def test_every_comparison_is_there_in_all_four_metrics(view: ReportView) -> None:
    own = [(each.first, each.second) for each in view.comparisons]
    assert {each.metric for each in view.comparisons} == {"UWA"}
    for metric in ("WA", "WF1", "UWF1"):
        found = [each for each in view.other_metrics if each.metric == metric]
        assert [(each.first, each.second) for each in found] == own
        for each in found:
            sides = [_test_figures(view, name)[metric].folds for name in (each.first, each.second)]
            assert each.differences == pytest.approx(tuple(a - b for a, b in zip(*sides, strict=True)))


def test_three_configurations_give_figures_and_no_verdict(folder: StudyFolder, view: ReportView) -> None:
    for each in (*view.comparisons, *view.other_metrics):
        assert each.decision == "too few configurations"
        assert (each.p, each.p_holm, each.smallest, each.equal) == (None, None, None, None)
        assert each.sentence.endswith("too few configurations for a verdict (3; at least 16)")
        assert each.low is not None
        assert each.luck > 0
    text = (folder.path / "report.md").read_text(encoding="utf-8")
    assert "verdicts need 16 configurations" in text
    assert "p =" not in text


def _test_figures(view: ReportView, name: str) -> Any:
    variant = view.variants[name.removesuffix(" published")]
    setting = variant.published if name.endswith(" published") else variant.tuned
    assert setting is not None
    return setting.figures["test"]


def test_a_single_speaker_is_no_obstacle(tmp_path: Path) -> None:
    plan = toy_plan(variants=["text", "cross"])
    plan = replace(plan, utterances=[{**each, "speaker": "alone"} for each in plan.utterances])
    write_study(StudyFolder(tmp_path), plan, {name: PARAMS[name] for name in ("text", "cross")})
    written = write(StudyFolder(tmp_path), SPACES)
    comparison = written.view.comparisons[0]
    assert comparison.low is not None
    assert comparison.sentence in (tmp_path / "report.md").read_text(encoding="utf-8")


def of_published_size(plan: Any, utterances: int = 7487) -> Any:
    return replace(plan, corpus={**plan.corpus, "utterances": utterances})


def test_the_published_row_stands_beside_a_full_seven_class_study_alone(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only beside variants that have one: a variant of one's own is shown without."""
    evidence = gather(folder)
    monkeypatch.setitem(VARIANTS, "mine", Variant(title="my own", role="guess"))
    seven = replace(toy_plan(CLASSES, 3, 14), variants=["mine", "cross"])

    def references(plan: Any) -> list[object]:
        view = report_view(replace(evidence, plan=plan, outcomes={}, tested={}, configs={}))
        found = [variant.reference for variant in view.variants.values()]
        assert markdown_page(view, {}).count("| reference |") == len(found) - found.count(None)
        assert ("reference table" in html_page(view, {})) == (found != [None] * len(found))
        return found

    published = VARIANTS["cross"].published
    assert published is not None
    assert references(of_published_size(seven)) == [None, published.figures()]
    assert references(seven) == [None, None]
    assert references(of_published_size(replace(toy_plan(), variants=["mine", "cross"]))) == [None, None]


def test_a_variant_that_is_no_longer_in_the_table_is_named(tmp_path: Path) -> None:
    toy_plan(variants=["gone"]).write(StudyFolder(tmp_path))
    with pytest.raises(UserError, match="the row of every variant; gone of"):
        build(StudyFolder(tmp_path))


def test_a_study_that_has_only_begun_has_a_report_without_figures(tmp_path: Path) -> None:
    toy_plan(variants=["random", "cross"]).write(StudyFolder(tmp_path))
    written = write(StudyFolder(tmp_path), SPACES)
    assert written.view.variants["cross"].tuned is None
    assert "no configuration was trained to the end" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_scores_of_the_ledger_that_are_not_those_of_the_predictions_are_refused(
    folder: StudyFolder, tmp_path: Path
) -> None:
    write_study(StudyFolder(tmp_path), toy_plan(), {"cross": PARAMS["cross"][:1]})
    lines = (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(lines[-2])
    last["test"]["WF1"] = 0.999
    (tmp_path / "ledger.jsonl").write_text("\n".join([*lines[:-2], json.dumps(last), lines[-1], ""]), encoding="utf-8")
    with pytest.raises(UserError, match=r"ledger.jsonl has test WF1 0.9990 for cross-c000-f2-s0 at epoch 4 where"):
        build(StudyFolder(tmp_path))


def test_scores_of_every_epoch_must_agree_and_a_swapped_use_reads_the_other_part(tmp_path: Path) -> None:
    folder, plan, run = StudyFolder(tmp_path), toy_plan(), FoldRun("cross", 0, 0)
    ids = {part: [each for each in plan.utterances if each["group"] in plan.folds[0][part]] for part in PARTS}
    labels = {part: np.array([plan.classes.index(each["label"]) for each in ids[part]]) for part in PARTS}
    names = {part: tuple(each["id"] for each in ids[part]) for part in PARTS}
    # Validation selects the second epoch, test the first.
    early = {part: torch.eye(3)[[(n * n) % 3 for n in range(len(ids[part]))]] for part in PARTS}
    late = {"validation": torch.eye(3)[labels["validation"]], "test": torch.eye(3)[(labels["test"] + 1) % 3]}
    first, second = (
        EpochDone(
            *("cross", 0, 0, 0, number, 1.0),
            *(score(labels[part], shares[part].argmax(1).numpy(), 3) for part in PARTS),
            *(1.0, number == 2),
        )
        for number, shares in ((1, early), (2, late))
    )
    after = [Predictions(**early), Predictions(**late)]
    save_predictions(folder.predictions_of(run), after, [1, 2], names, origin_of(run.name, {}))
    config = ConfigResult("cross", 0, {}, folds={0: FoldResult(run, [first, second])})
    stored = predictions.StoredPredictions(folder, plan)
    stored.require_agreement(config)
    (fold,) = stored.tested([Use(run, 1, "Ses02", swapped=True)])
    assert [each["id"] for each in fold.utterances] == list(names["validation"])
    assert fold.probabilities.tolist() == early["validation"].tolist()
    keep_epochs(folder.predictions_of(run), [2])
    with pytest.raises(UserError, match="probabilities of epochs 2 and not of 1"):
        stored.tested([Use(run, 1, "Ses02", swapped=True)])
    (fold,) = stored.tested([Use(run, 2, "Ses01")])
    assert fold.probabilities.tolist() == late["test"].tolist()
    stored.require_agreement(config)
    for part, where in (("validation", "has validation WA"), ("test", "has test WA")):
        changed = replace(first, **{part: {**getattr(first, part), "WA": 0.123}})
        config.folds[0].epochs[0] = changed
        with pytest.raises(UserError, match=rf"{where} 0\.1230 for cross-c000-f0-s0 at epoch 1"):
            stored.require_agreement(config)
        config.folds[0].epochs[0] = first


def test_json_holds_the_view_and_every_file_is_named(folder: StudyFolder, view: ReportView) -> None:
    text = folder.path.joinpath("report.json").read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(json.dumps(view.to_json()))
    written = write(folder, SPACES)
    assert all(path.is_file() for path in written.files)
    drawn = sorted(path.stem for path in written.files if path.suffix == ".svg")
    kinds = ("confusion", "coordinates", "curves", "folds", "history", "reliability")
    assert drawn == sorted(
        [
            *("budget", "glance", "metric", "pairs"),
            *(f"{kind}-{name}" for kind in kinds for name in ("text", "self", "cross")),
        ]
    )
    assert sorted(path.stem for path in folder.pictures.iterdir()) == drawn


def test_pictures_of_an_earlier_report_go(tmp_path: Path) -> None:
    keep(StudyFolder(tmp_path), {"metric": "<svg/>", "importance-cross": "<svg/>"})
    keep(StudyFolder(tmp_path), {"metric": "<svg>2</svg>"})
    assert {path.name: path.read_text() for path in (tmp_path / "pictures").iterdir()} == {"metric.svg": "<svg>2</svg>"}


def test_predictions_have_a_row_for_each_utterance_of_each_variant(folder: StudyFolder) -> None:
    rows = list(csv.DictReader((folder.path / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 3 * 36
    for row in rows:
        shares = {name: float(row[f"p_{name}"]) for name in CLASSES[:3]}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert row["prediction"] == max(shares, key=lambda name: shares[name])


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(tmp_path: Path, sign: str) -> None:
    formula = f"{sign}cmd|' /C calc'!A0"
    fold = predictions.TestedFold(
        FoldRun("cross", 0, 0), "b", ({"id": formula, "label": formula},), np.array([0]), np.array([[1.0]])
    )
    predictions.write_predictions(tmp_path / "p.csv", [fold], [formula])
    (row,) = csv.DictReader((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines())
    assert (row["utterance_id"], row["label"], row["prediction"]) == (f"'{formula}",) * 3
    assert row[f"p_{formula}"] == "1.000000"


def folds_by_hand() -> list[predictions.TestedFold]:
    """Six utterances of two folds: angry is recognised in two of three, frustrated in one of three."""
    pairs = [("angry", "angry"), ("angry", "frustrated"), ("angry", "angry")]
    pairs += [("frustrated", "frustrated"), ("frustrated", "angry"), ("frustrated", "angry")]
    return list(_folds(pairs))


def _folds(pairs: Sequence[tuple[str, str]]) -> Iterator[predictions.TestedFold]:
    classes = ["angry", "frustrated", "sad"]
    for number, script in enumerate(("improvised", "scripted")):
        own = pairs[number::2]
        labels = np.array([classes.index(label) for label, _ in own])
        shares = np.eye(3)[[classes.index(predicted) for _, predicted in own]]
        utterances = tuple(
            {"id": f"{number}{n}", "label": label, "script": script, "speaker": "x"} for n, (label, _) in enumerate(own)
        )
        yield predictions.TestedFold(FoldRun("cross", 0, number), f"b{number}", utterances, labels, shares)


def test_details_by_hand() -> None:
    folds, classes = folds_by_hand(), ["angry", "frustrated", "sad"]
    assert class_recalls(folds, classes) == pytest.approx({"angry": 2 / 3, "frustrated": 1 / 3})
    (pair,) = close_pairs(toy_plan(classes), folds, [("angry", "frustrated")])
    assert (pair.first, pair.second) == ("angry", "frustrated")
    assert (pair.first_as_second, pair.second_as_first) == pytest.approx((1 / 3, 2 / 3))
    # Blocks hold angry right twice and frustrated wrong, then angry wrong, frustrated right and frustrated wrong.
    assert pair.confused.folds == pytest.approx((1 / 3, 2 / 3))
    assert pair.f1.folds == pytest.approx(((4 / 5 + 0) / 2, (0 + 1 / 2) / 2))
    scripts = metrics_by_script(folds, 3)
    # Every second utterance: angry right, angry right, frustrated wrong; the others wrong, right, wrong.
    assert {kind: (each.n, each.scores["WA"]) for kind, each in scripts.items()} == {
        "improvised": (3, pytest.approx(2 / 3)),
        "scripted": (3, pytest.approx(1 / 3)),
    }


def test_the_share_of_words_that_are_known_from_training() -> None:
    plan = toy_plan()
    assert words_seen(plan) == 1
    own = [{**each, "words": each["id"] if each["group"] == "Ses01" else each["words"]} for each in plan.utterances]
    # The words of session 1 are in no other session; those of session 3 are tested by training on session 1.
    tested_elsewhere = words_seen(replace(plan, utterances=own))
    assert tested_elsewhere == pytest.approx(1 / 3)
    assert words_seen(replace(plan, utterances=[{**each, "words": ""} for each in plan.utterances])) is None


@pytest.mark.parametrize("damage", [b"junk", b"", None])
def test_damaged_predictions_are_one_line(tmp_path: Path, damage: bytes | None) -> None:
    folder = StudyFolder(tmp_path)
    plan = toy_plan()
    write_study(folder, plan, {"cross": PARAMS["cross"][:1]})
    uses = gather(folder).outcomes["cross"].uses
    path = folder.predictions_of(uses[0].run)
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(UserError, match="predictions of every run that ended are needed"):
        predictions.StoredPredictions(folder, plan).tested(uses)
