"""Two studies compared: the inference of one report, and a refusal wherever the two are not of the same data."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.app.cli import main
from study.record.folder import StudyFolder
from study.record.terms import Terms
from study.report.build import build
from study.report.charts.differences import differences
from study.report.charts.svg import svg
from study.report.evidence import gather
from study.report.versus import versus, versus_view
from tests.report.toy import settings_of, toy_plan, write_study

TERMS = Terms(n_configs=3, epochs=4, policy="asha")


def make(output: Path, name: str, variants: tuple[str, ...] = ("cross",), n: int = 3, **changes: Any) -> StudyFolder:
    folder = StudyFolder.of(output, name)
    terms = replace(TERMS, **changes.pop("terms", {}))
    plan = toy_plan(name=name, variants=list(variants), terms=terms, **changes)
    write_study(folder, plan, {variant: settings_of(variant, n) for variant in variants if variant != "random"})
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Studies of the same data: one of cross and self, one of cross with another sampler, one of text."""
    output = tmp_path_factory.mktemp("versus")
    make(output, "both", ("cross", "self", "random"))
    make(output, "other", n=4, terms={"sampler": "gp"})
    make(output, "words", ("text",))
    return output


def test_the_inference_is_that_of_one_report_with_both(output: Path, tmp_path: Path) -> None:
    """Self and cross as two studies, and in one: the same difference, error, interval and words."""
    together = build(StudyFolder.of(output, "both"))
    (pair,) = (p for p in together.comparisons if (p.first, p.second) == ("self", "cross"))
    for kept in ("self", "cross"):
        folder = StudyFolder.of(tmp_path, f"only-{kept}")
        make(tmp_path, folder.path.name, ("cross", "self"))
        lines = folder.ledger.read_text(encoding="utf-8").splitlines(keepends=True)
        assert any(f'"variant": "{kept}"' in line for line in lines)
    evidence = {kept: gather(StudyFolder.of(tmp_path, f"only-{kept}")) for kept in ("self", "cross")}
    one, other = (replace(evidence[kept], outcomes={kept: evidence[kept].outcomes[kept]}) for kept in ("self", "cross"))
    view = versus_view(one, other)
    (found,) = view.pairs
    assert found.low is not None
    assert (found.mean, found.low, found.high, found.luck) == (pair.mean, pair.low, pair.high, pair.luck)
    named = {"self (only-self)": "self", "cross (only-cross)": "cross"}
    assert (named[found.first], named[found.second]) == ("self", "cross")
    sentence = found.sentence
    for long, short in named.items():
        sentence = sentence.replace(long, short)
    assert sentence == pair.sentence
    assert [each.metric for each in view.other_metrics] == ["WA", "WF1", "UWF1"]


def test_variants_of_both_are_compared_and_else_the_best_of_each(output: Path) -> None:
    both, other, words = (gather(StudyFolder.of(output, name)) for name in ("both", "other", "words"))
    (pair,) = versus_view(both, other).pairs
    assert (pair.first, pair.second) == ("cross (both)", "cross (other)")
    best = max(("cross", "self"), key=lambda name: both.outcomes[name].figures["validation"]["UWA"].mean)
    (pair,) = versus_view(both, words).pairs
    assert (pair.first, pair.second) == (f"{best} (both)", "text (words)")
    assert {entrant.label for entrant in versus_view(both, words).entrants} == {pair.first, pair.second}


def test_what_was_asked_for_otherwise_is_named(output: Path) -> None:
    view = versus(StudyFolder.of(output, "both"), StudyFolder.of(output, "other"))
    assert view.differing == (("configs", "3", "4"), ("sampler", "tpe", "gp"))


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "corpus": (
        lambda output: make(output, "x", corpus={**toy_plan().corpus, "name": "IEMOCAP"}),
        "corpus of both: toy; of x: IEMOCAP",
    ),
    "content": (
        lambda output: make(output, "x", corpus={**toy_plan().corpus, "digest": "f" * 16}),
        "corpus of both: 36 utterances, digest 0123456789ab; of x: 36 utterances, digest ffffffffffff",
    ),
    "classes": (
        lambda output: make(output, "x", classes=["angry", "excited", "happy"]),
        "classes of both: angry, happy, excited; of x: angry, excited, happy",
    ),
    "protocol": (
        lambda output: make(output, "x", terms={"protocol": "nested"}),
        "protocol of both: shared; of x: nested",
    ),
    "folds": (
        lambda output: make(output, "x", folds=[*toy_plan().folds[1:], toy_plan().folds[0]]),
        "folds of both: fold 0 tests Ses01 and validates on Ses02; of x: fold 1 tests Ses02",
    ),
    "metric": (lambda output: make(output, "x", terms={"metric": "WA"}), "metric of both: UWA; of x: WA"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_studies_of_other_data_are_refused_in_one_line(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    write, message = REFUSALS[what]
    make(tmp_path, "both", ("cross", "self", "random"))
    write(tmp_path)
    assert main(["compare", "both", "x", "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "comparisons").exists()


def test_an_unfinished_study_and_a_study_itself_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "one")
    folder = make(tmp_path, "two")
    lines = folder.ledger.read_bytes().splitlines(keepends=True)
    folder.ledger.write_bytes(b"".join(lines[:-20]))
    assert main(["compare", "one", "two", "--output", str(tmp_path)]) == 2
    assert "finished studies are compared, and two is not (" in capsys.readouterr().err
    assert main(["compare", "one", "one", "--output", str(tmp_path)]) == 2
    assert "both names are one" in capsys.readouterr().err
    assert main(["compare", "one", "../two", "--output", str(tmp_path)]) == 2
    assert "a study is named by" in capsys.readouterr().err


def test_the_verb_shows_the_pair_and_leaves_tables_and_a_picture(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "both", "other", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    folder = output / "comparisons" / "both" / "other"
    view = versus(StudyFolder.of(output, "both"), StudyFolder.of(output, "other"))
    for text in ("both cross", "other cross", "sampler", view.pairs[0].sentence, str(folder / "differences.svg")):
        assert text in printed
    rows = list(csv.DictReader((folder / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["variant"], row["study"], row["scored on"]) for row in rows] == [
        ("cross", study, part) for study in ("both", "other") for part in ("validation", "test")
    ]
    compared = list(csv.DictReader((folder / "comparisons.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["metric"]: float(row["mean"]) for row in compared} == pytest.approx(
        {pair.metric: pair.mean for pair in (*view.pairs, *view.other_metrics)}, abs=1e-6
    )
    assert {path.suffix for path in folder.iterdir()} == {".csv", ".tex", ".svg"}


def test_the_picture_has_every_fold_the_mean_and_the_interval_of_each_pair(output: Path) -> None:
    view = versus(StudyFolder.of(output, "both"), StudyFolder.of(output, "words"))
    every = (*view.pairs, *view.other_metrics)
    figure = differences(every, "$x$ [b]")
    (axes,) = figure.axes
    drawn = [list(line.get_xdata()) for line in axes.lines]
    for pair in every:
        assert list(pair.differences) in drawn
        assert [pair.mean] in drawn
        assert [pair.low, pair.high] in drawn
    assert "$x$ [b]" in svg(figure)
    assert len(differences([replace(every[0], low=None, high=None)], "t").axes[0].lines) == 3
