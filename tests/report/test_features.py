"""What each encoder and layer reached: counted and averaged here again from the ledger's lines."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from study.features.spec import EncoderSpec, FeatureChoice
from study.record.folder import StudyFolder
from study.record.terms import Terms
from study.report.build import build
from study.report.features import feature_headings, feature_lines, feature_rows
from study.report.pages import html_page, markdown_page
from tests.report.toy import settings_of, toy_plan, toy_variant, toy_view, write_study

SPECS = (EncoderSpec("<i>A</i>"), EncoderSpec("<i>A</i>", "6"), EncoderSpec("b|c", "mean:1-2"), EncoderSpec("never"))
LABELS = ("<i>A</i>", "<i>A</i>, layer 6", "b|c, layer mean:1-2", "never")
# Configurations 2 and 5 are stopped, as every third.
CHOSEN = (0, 1, 2, 1, 0, 1)


def written(folder: StudyFolder, terms: Terms) -> Any:
    features = {
        "audio": [FeatureChoice(spec, str(number)) for number, spec in enumerate(SPECS)],
        "text": [FeatureChoice(EncoderSpec("hash"), "t")],
    }
    [published] = settings_of("cross", 1)
    params = [
        {**published, "learning_rate": published["learning_rate"] / (1 + number), "audio_features": LABELS[at]}
        for number, at in enumerate(CHOSEN)
    ]
    write_study(folder, toy_plan(features=features, terms=terms), {"cross": params})
    return build(folder)


def last_epochs(folder: StudyFolder) -> dict[int, list[Mapping[str, Any]]]:
    """By configuration, the last epoch of each of its fold runs."""
    found: dict[tuple[int, int], Mapping[str, Any]] = {}
    for line in map(json.loads, folder.ledger.read_text(encoding="utf-8").splitlines()):
        if line.get("kind") == "epoch":
            found[line["config"], line["fold"]] = line
    return {number: [e for (n, _), e in found.items() if n == number] for number, _ in found}


def mean_of(epochs: Iterable[Mapping[str, Any]], part: str) -> float:
    return fmean(epoch[part]["UWA"] for epoch in epochs)


def test_each_choice_has_its_count_and_the_scores_of_its_best_by_validation(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    view = written(folder, Terms(n_configs=6, epochs=4, policy="asha", sampler="qmc", seeds=0))
    variant, epochs = view.variants["cross"], last_epochs(folder)
    assert [each.label for each in variant.features] == list(LABELS)
    assert [each.n_configs for each in variant.features] == [2, 3, 1, 0]
    for at, each in enumerate(variant.features):
        own = [number for number, choice in enumerate(CHOSEN) if choice == at and number % 3 < 2]
        if not own:
            assert (each.validation, each.test, each.n_selected) == (None, None, 0)  # none, or none complete
            continue
        best = max(own, key=lambda number: mean_of(epochs[number], "validation"))
        assert each.validation.mean == pytest.approx(mean_of(epochs[best], "validation"))
        assert each.test.mean == pytest.approx(mean_of(epochs[best], "test"))
        assert each.n_selected == (CHOSEN[variant.selected] == at)


def test_under_nested_the_test_sessions_of_each_choice_are_counted(tmp_path: Path) -> None:
    view = written(
        StudyFolder(tmp_path), Terms(n_configs=6, epochs=4, policy="asha", sampler="qmc", protocol="nested", seeds=0)
    )
    variant = view.variants["cross"]
    assert variant.nested is not None
    counts = [sum(CHOSEN[n] == at for n in variant.nested.choices.values()) for at in range(len(SPECS))]
    assert [each.n_selected for each in variant.features] == counts
    assert [row[-1] for row in feature_rows(variant)] == [f"{count} of 3" for count in counts]


def test_tables_show_names_as_text_and_nothing_without_a_choice(tmp_path: Path) -> None:
    view = written(StudyFolder(tmp_path), Terms(n_configs=6, epochs=4, policy="asha", sampler="qmc", seeds=0))
    variant = view.variants["cross"]
    rows = list(feature_rows(variant))
    assert [len(row) for row in rows] == [len(feature_headings(view))] * len(SPECS)
    html, markdown = html_page(view, {}), markdown_page(view, {})
    assert "&lt;i&gt;A&lt;/i&gt;, layer 6" in html
    assert "<i>A" not in html
    assert r"| audio | b\|c, layer mean:1-2 | 1 |" in markdown
    heading, *lines = feature_lines(view, variant)
    assert heading.split()[:4] == ["tried", "validation", "test", "selected"]
    assert [line.split("  ")[-1] for line in lines] == [f"audio: {label}" for label in LABELS]
    plain = toy_view(toy_variant())
    assert list(feature_lines(plain, plain.variants["cross"])) == []
    assert "<h3>Features</h3>" not in html_page(plain, {})
